"""Running a command: streams that always work, signals, exit codes, and errors as sentences.

Standard library only, and little of it: it must work where nothing else does, such as beside old libraries in
PYTHONPATH. An entry point imports this module first, and everything else within `run_command`.
"""

import os
import sys


def _leave_out_foreign_libraries() -> None:
    """Import from this environment alone, here and in the processes that this one starts.

    PYTHONPATH goes before the environment's own packages: an old library there would break any command. The folder
    with our own packages stays, as in an image, where PYTHONPATH is how they are found.
    """
    given = os.environ.pop("PYTHONPATH", "")
    if not given or sys.flags.ignore_environment:
        return
    own = os.path.abspath(f"{__file__}/../../..")  # noqa: PTH100  (pathlib is not loaded yet)
    foreign = {os.path.abspath(folder) for folder in given.split(os.pathsep)} - {own}  # noqa: PTH100
    if own in map(os.path.abspath, given.split(os.pathsep)):
        os.environ["PYTHONPATH"] = own
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) not in foreign]  # noqa: PTH100
    # Packages that are installed for editing may lie in such a folder: their own entries bring it back.
    import site  # noqa: PLC0415  (Python has loaded it already)

    for folder in [each for each in sys.path if each.endswith("site-packages")]:
        site.addsitedir(folder)


_leave_out_foreign_libraries()

import contextlib  # noqa: E402  (from here on no foreign library can be imported)
import errno  # noqa: E402
import gc  # noqa: E402
import signal  # noqa: E402
from collections.abc import Callable, Collection, Iterator  # noqa: E402
from types import FrameType  # noqa: E402
from typing import NoReturn, TextIO  # noqa: E402

from order_platform.command_line.errors import CommandError, ExitCode, UnavailableError, UsageError  # noqa: E402
from order_platform.command_line.terminal_text import printable  # noqa: E402

DEBUG_VARIABLE = "ORDERWATCH_DEBUG"
_OBJECTS_BEFORE_COLLECTING = 50_000
# A terminal narrower or wider than this is a mistake in COLUMNS: nothing readable fits into it.
_WIDTHS = range(20, 1001)
_HEIGHTS = range(5, 1001)
# Long enough for the destructor to end, in which the interrupt would be lost again.
_SECONDS_BEFORE_REPEATING = 0.01
received_signals: list[int] = []
"""The signals that came to end the command."""


def run_command(name: str, load: Callable[[], object], *, services: Collection[str] = ()) -> NoReturn:
    """Run what `load` imports, and exit: in any environment, with a sentence instead of a traceback.

    `services` are the subcommands whose error stream is a log: a fault in Orderwatch leaves its traceback there. For
    others it goes to a file, which the last line names.
    """
    # Imports make objects that all stay: to search them for cycles takes a sixth of the API's start.
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTING)
    _open_missing_streams()
    _replace_unprintable_characters()
    _ignore_impossible_terminal_sizes()
    _turn_signals_into_interrupts()
    as_service = bool(services) and any(argument in services for argument in sys.argv[1:3])
    code = _run(name, load, as_service=as_service)
    code = _flush(name, code)
    if received_signals:
        code = 128 + received_signals[0]
    # Only Python's own shutdown is left: a signal now ends it silently.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    sys.exit(code)


def print_error(name: str, message: str, advice: str = "") -> None:
    """Print what happened and what to do, where that is still possible; in red on a terminal."""
    lines = [printable(f"{name}: {message}", "\n"), *([printable(advice, "\n")] if advice else [])]
    try:
        colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") not in {None, "dumb"}
        if colour:
            lines[0] = f"\x1b[1;31m{lines[0]}\x1b[0m"
        sys.stderr.write("\n".join(lines) + "\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # the stream is closed
        pass


def _run(name: str, load: Callable[[], object], *, as_service: bool) -> int:
    try:
        _require_text(sys.argv[1:])
        try:
            command = load()
        except (ImportError, SyntaxError) as error:
            _show_traceback_when_asked()
            raise _incomplete_installation(error) from error
        assert callable(command)
        result = command()
    except SystemExit as error:
        # The libraries below us take a closed pipe for a failure.
        return int(ExitCode.BROKEN_PIPE) if _came_from_broken_pipe(error) else _code_of(name, error)
    except BaseException as error:  # noqa: BLE001  (the last place to say anything)
        return _explain(name, error, as_service=as_service)
    return result if isinstance(result, int) else 0


def _explain(name: str, error: BaseException, *, as_service: bool) -> int:
    """Say what happened; returns the exit code."""
    error = _first(error)
    _show_traceback_when_asked(error)
    if any(_is_interrupt(each) for each in _chain(error)):
        return int(ExitCode.INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return int(ExitCode.BROKEN_PIPE)
    expected = _expected(error)
    if expected is not None:
        print_error(name, str(expected), expected.advice)
        return int(expected.exit_code)
    _report_bug(name, error, as_service=as_service)
    return int(ExitCode.BUG)


def _is_interrupt(error: BaseException) -> bool:
    """Whether it is an interrupt, or what one was turned into while a class was created.

    Python keeps the interrupt as the cause of its error; pydantic keeps only its name, in the text of a SchemaError.
    """
    return isinstance(error, KeyboardInterrupt) or (
        type(error).__name__ == "SchemaError" and KeyboardInterrupt.__name__ in str(error)
    )


def _expected(error: BaseException) -> CommandError | None:
    """The error as a sentence; None for a fault in Orderwatch."""
    if isinstance(error, CommandError):
        return error
    if isinstance(error, MemoryError):
        return UnavailableError("there is not enough memory", "Give it more, or ask for less at once.")
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename is not None else ""
        return UnavailableError(
            f"{error.strerror or str(error) or type(error).__name__}{where}", "Repair that, then try again."
        )
    # Loading a command checks its imports; some are made only when it is called.
    if isinstance(error, ImportError) and "order_contract.compiled_modules" in sys.modules:
        from order_contract.compiled_modules import OutdatedModuleError  # noqa: PLC0415  (hardly ever needed)

        return _incomplete_installation(error) if isinstance(error, OutdatedModuleError) else None
    if "pydantic" in sys.modules:
        from order_platform.command_line.settings_errors import as_settings_error  # noqa: PLC0415  (it imports pydantic)

        return as_settings_error(error)
    return None


def _incomplete_installation(error: BaseException) -> UnavailableError:
    return UnavailableError(
        f"the installation is incomplete: {error}", "Run `make up` or `make install` again; PYTHONPATH is not used."
    )


def _first(error: BaseException) -> BaseException:
    """The first single error of a group; an interrupt goes before all else."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = list(_leaves(error))
    return next((each for each in leaves if isinstance(each, KeyboardInterrupt)), leaves[0])


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each


def _report_bug(name: str, error: BaseException, *, as_service: bool) -> None:
    """One line for a person, and the traceback where it is found."""
    import traceback  # noqa: PLC0415  (hardly ever needed)

    text = "".join(traceback.format_exception(error))
    place = None if as_service or os.environ.get(DEBUG_VARIABLE) else _write_report(name, text)
    if place is None and not os.environ.get(DEBUG_VARIABLE):
        print_error(name, text)
    where = f"; the details are in {place}" if place is not None else ""
    print_error(name, f"a fault in Orderwatch, please report it: {type(error).__name__}{where}")


def _write_report(name: str, text: str) -> str | None:
    """A file with the traceback, for its owner only; None where none can be written."""
    import tempfile  # noqa: PLC0415  (hardly ever needed)

    try:
        descriptor, path = tempfile.mkstemp(prefix=f"{name}-fault-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123
            file.write(text)
    except OSError:
        return None
    return path


def _show_traceback_when_asked(error: BaseException | None = None) -> None:
    if os.environ.get(DEBUG_VARIABLE):
        import traceback  # noqa: PLC0415  (hardly ever needed)

        with contextlib.suppress(OSError, ValueError):
            traceback.print_exception(error if error is not None else sys.exception())


def _code_of(name: str, error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    print_error(name, str(error.code))
    return int(ExitCode.NEGATIVE)


def _came_from_broken_pipe(error: BaseException) -> bool:
    if any(isinstance(each, OSError) and each.errno == errno.EPIPE for each in _chain(error)):
        _discard_output()
        return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it was raised from or in handling of, each once: libraries can link them in a circle."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        current = current.__cause__ or current.__context__


def _flush(name: str, code: int) -> int:
    """Write out what is still in memory: at exit, Python could only complain about it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = int(ExitCode.BROKEN_PIPE)
        _discard_output()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        print_error(name, f"the output cannot be written: {reason}", "Repair that, then try again.")
        code = int(ExitCode.UNAVAILABLE)
        _discard_output()
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.stderr, 2)
    return code


def _discard_output() -> None:
    _discard(sys.stdout, 1)


def _discard(stream: TextIO, number: int) -> None:
    """Send what is still written to a stream nowhere."""
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, number)
        stream.flush()
    except (OSError, ValueError):
        pass
    finally:
        os.close(sink)


def _open_missing_streams() -> None:
    """Let streams that were closed, as by `>&-`, lead nowhere: else the next file or socket would be taken for them."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            sink = os.open(os.devnull, os.O_RDWR)
            if sink != number:
                os.dup2(sink, number)
                os.close(sink)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115


def _replace_unprintable_characters() -> None:
    """Print a character that the stream's encoding lacks as a question mark, rather than fail."""
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _ignore_impossible_terminal_sizes() -> None:
    """COLUMNS=0 would print nothing at all; what a terminal says of itself counts instead."""
    for name, possible in (("COLUMNS", _WIDTHS), ("LINES", _HEIGHTS)):
        value = os.environ.get(name)
        if value is not None and not (
            value.isascii() and value.isdecimal() and len(value) < 5 and int(value) in possible
        ):
            del os.environ[name]


def _turn_signals_into_interrupts() -> None:
    """Let SIGTERM and SIGHUP end a command as Ctrl-C does: what is open gets closed.

    A process that drains sets handlers of its own later. What was ignored from outside, as by nohup, stays ignored.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        received_signals.append(number)
        raise_interrupt(number, frame)

    def raise_interrupt(_number: int, _frame: FrameType | None) -> None:
        if signal.getsignal(signal.SIGINT) in {signal.SIG_IGN, signal.SIG_DFL, None}:
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)
    _repeat_lost_interrupts(raise_interrupt)


def _repeat_lost_interrupts(interrupt: Callable[[int, FrameType | None], None]) -> None:
    """Raise an interrupt again that came within a destructor, or within a callback of the import system.

    Python prints such an error and continues: a service that was interrupted in its imports would run for ever.
    """
    print_unraisable = sys.unraisablehook

    def repeat(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type is KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_BEFORE_REPEATING)
        else:
            print_unraisable(lost)

    signal.signal(signal.SIGALRM, interrupt)
    sys.unraisablehook = repeat


def _require_text(arguments: Collection[str]) -> None:
    """Refuse arguments that are not text in UTF-8, unless they name a file that is there."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            if not os.path.lexists(argument):
                shown = argument.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                raise UsageError(f"an argument is not valid UTF-8: {shown}", "Write it in UTF-8.") from None
