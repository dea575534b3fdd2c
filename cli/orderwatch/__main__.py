"""`orderwatch`: the command for people."""

import errno
import logging
import os
import sys

from orderwatch.command_line import application
from orderwatch.console import ERR
from orderwatch.errors import OrderwatchError

_NOT_OUR_FAULT = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


def main() -> None:
    """The entry point: expected failures end in a sentence and what to do next."""
    # What aiokafka has to say about a broker that is away, we say ourselves.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        application(sys.argv[1:2])()
    except KeyboardInterrupt:
        sys.exit(130)
    except OrderwatchError as error:
        _explain(str(error), error.advice)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever reads has enough, as `head` does; nothing can be said to them any more, nor at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except OSError as error:
        if error.errno not in _NOT_OUR_FAULT:
            raise
        _explain(f"{error.strerror}: {error.filename or 'while writing'}", "Mend that, then try again.")
        sys.exit(1)
    except ValueError as error:
        _explain_settings(error)
        sys.exit(2)


def _explain_settings(error: ValueError) -> None:
    """Say which settings are not valid. Raises what is no error of settings."""
    from pydantic import ValidationError  # noqa: PLC0415  (a tenth of a second, which not every command needs)

    if not isinstance(error, ValidationError):
        raise error
    for problem in error.errors():
        name = "_".join(map(str, problem["loc"])).upper()
        _explain(f"ORDERWATCH_{name}: {problem['msg']}")


def _explain(message: str, advice: str = "") -> None:
    ERR.print(f"orderwatch: {message}", style="bold red", markup=False)
    if advice:
        ERR.print(advice, markup=False)


if __name__ == "__main__":
    main()
