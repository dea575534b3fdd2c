"""The command line of `orderwatch`: the list of commands; only the one that is called is imported."""

import ast
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

import typer

QUESTIONS = "Ask, here or elsewhere"
SYSTEM = "Run it on this machine"
ENTRY_POINTS = "orderwatch.commands"
"""Group of entry points by which another package adds commands: devstack adds those that run the embedded system."""

OWN_COMMANDS: Mapping[str, str] = {
    "flags": QUESTIONS,
    "order": QUESTIONS,
    "explain": QUESTIONS,
    "lag": QUESTIONS,
    "topics": QUESTIONS,
    "marts": QUESTIONS,
    "audit": QUESTIONS,
    "reconcile": QUESTIONS,
    "env": SYSTEM,
    "migrate": SYSTEM,
}
"""Each is a module of `orderwatch.commands`, listed under that heading."""


def list_commands() -> dict[str, EntryPoint]:
    """Every command by name, with where its function is."""
    own = [EntryPoint(name, f"orderwatch.commands.{name}:{name}", ENTRY_POINTS) for name in OWN_COMMANDS]
    return {each.name: each for each in (*own, *_find_added_commands())}


def build_application(loaded: Collection[str] | None = None) -> typer.Typer:
    """The command line. Commands that are not `loaded` are only listed, as importing all takes a second."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def orderwatch() -> None:
        """Ask about a running Orderwatch, here or elsewhere, and run it on this machine.

        Another system is named by ORDERWATCH_API_URL and ORDERWATCH_API_KEY, ORDERWATCH_KAFKA and
        ORDERWATCH_DATABASE_URL; each command needs only those that it asks.
        """

    for name, command in list_commands().items():
        heading = OWN_COMMANDS.get(name, SYSTEM)
        if loaded is None or name in loaded:
            app.command(name, rich_help_panel=heading)(command.load())
        else:
            app.command(name, rich_help_panel=heading, help=_read_summary(command))(_not_loaded)
    return app


def _find_added_commands() -> Iterable[EntryPoint]:
    return sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name)


def _not_loaded() -> None:
    """Placeholder of a command in the list of all."""
    raise AssertionError("a command that is called is loaded")


def _read_summary(command: EntryPoint) -> str:
    """The first paragraph of the command's docstring, read from its source rather than imported."""
    spec = find_spec(command.module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == command.attr)
    return (ast.get_docstring(next(functions)) or "").partition("\n\n")[0]
