"""`orderwatch`: the command for people."""

import errno
import importlib
import logging
import sys
from collections.abc import Iterable

import typer
from pydantic import ValidationError

from orderwatch.console import ERR
from orderwatch.errors import OrderwatchError

_NOT_OUR_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
COMMANDS = ("up", "down", "status", "logs", "topics", "reconcile", "migrate", "clean")


def application(commands: Iterable[str] = COMMANDS) -> typer.Typer:
    """The command line with these commands; each is a module of `orderwatch.commands`."""
    app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

    @app.callback()
    def orderwatch() -> None:
        """Run Orderwatch on this machine, and ask about what runs, here or elsewhere."""

    for name in commands:
        importlib.import_module(f"orderwatch.commands.{name}").register(app)
    return app


def main() -> None:
    """The entry point: expected failures end in a sentence and what to do next."""
    # What aiokafka has to say about a broker that is away, we say ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        # Only the command that is asked for is loaded: `up` and `migrate` bring much with them.
        application([name for name in sys.argv[1:2] if name in COMMANDS] or COMMANDS)()
    except KeyboardInterrupt:
        sys.exit(130)
    except OrderwatchError as error:
        _explain(str(error), error.advice)
        sys.exit(1)
    except OSError as error:
        if error.errno not in _NOT_OUR_FAULT:
            raise
        _explain(f"{error.strerror}: {error.filename or 'while writing'}", "Mend that, then try again.")
        sys.exit(1)
    except ValidationError as error:
        for problem in error.errors():
            name = "_".join(map(str, problem["loc"])).upper()
            _explain(f"ORDERWATCH_{name}: {problem['msg']}")
        sys.exit(2)


def _explain(message: str, advice: str = "") -> None:
    ERR.print(f"orderwatch: {message}", style="bold red", markup=False)
    if advice:
        ERR.print(advice, markup=False)


if __name__ == "__main__":
    main()
