"""The command line: which commands there are, and loading only the one that is asked for."""

import ast
import importlib
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path

import typer

from orderwatch.errors import OrderwatchError

QUESTIONS = "Ask, here or elsewhere"
SYSTEM = "Run it on this machine"

COMMANDS = {
    "flags": QUESTIONS,
    "order": QUESTIONS,
    "explain": QUESTIONS,
    "lag": QUESTIONS,
    "topics": QUESTIONS,
    "reconcile": QUESTIONS,
    "up": SYSTEM,
    "down": SYSTEM,
    "status": SYSTEM,
    "logs": SYSTEM,
    "env": SYSTEM,
    "migrate": SYSTEM,
    "clean": SYSTEM,
}
"""Each is a module of `orderwatch.commands`, listed under that heading."""

# They run the embedded system, whose packages not every installation has: an image has not.
EMBEDDED = {"up", "down", "status", "logs", "clean"}


def application(loaded: Collection[str] = COMMANDS) -> typer.Typer:
    """The command line. Those commands that are not `loaded` are listed only: `up` alone brings a second of imports."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def orderwatch() -> None:
        """Run Orderwatch on this machine, and ask about what runs, here or elsewhere.

        Another system is named by ORDERWATCH_API_URL and ORDERWATCH_API_KEY, ORDERWATCH_KAFKA and
        ORDERWATCH_DATABASE_URL; each command needs only those that it asks.
        """

    left_out = EMBEDDED if find_spec("supervisor") is None else set()
    for name, heading in COMMANDS.items():
        if name in left_out:
            continue
        if name in loaded:
            app.command(name, rich_help_panel=heading)(_load(name))
        else:
            app.command(name, rich_help_panel=heading, help=_first_words(name))(_not_loaded)
    return app


def _load(name: str) -> Callable[..., None]:
    try:
        module = importlib.import_module(f"orderwatch.commands.{name}")
    except ModuleNotFoundError as error:
        if COMMANDS[name] == QUESTIONS:
            raise
        raise OrderwatchError(
            f"`orderwatch {name}` needs more than is installed here: {error.name} is missing",
            "It acts on the system that `make up` starts in a checkout; run it there.",
        ) from error
    command: Callable[..., None] = getattr(module, name)
    return command


def _not_loaded() -> None:
    """Stands for a command in the list of all."""
    raise AssertionError("a command that is called is loaded")


def _first_words(name: str) -> str:
    """What a command is for: the first paragraph of its docstring, read rather than imported."""
    tree = ast.parse((Path(__file__).parent / "commands" / f"{name}.py").read_text(encoding="utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return (ast.get_docstring(function) or "").partition("\n\n")[0]
