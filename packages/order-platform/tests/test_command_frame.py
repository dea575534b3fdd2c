"""The frame of every command: what each kind of end is said as, and its exit code."""

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic_core import SchemaError

from order_platform.command_line.errors import CommandError, ExitCode, SettingsError, UnavailableError
from order_platform.command_line.run import run_command


def _raise(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


def _end(command: Callable[[], object], monkeypatch: pytest.MonkeyPatch, *arguments: str, **options: tuple[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["name", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command("name", lambda: command, **options)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def _left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams and signals are the test run's own."""
    for name in (
        "_open_missing_streams", "_replace_unprintable_characters", "_turn_signals_into_interrupts",
    ):  # fmt: skip
        monkeypatch.setattr(f"order_platform.command_line.run.{name}", list)
    monkeypatch.setattr("signal.signal", lambda *_arguments: None)


def _circle() -> BaseException:
    first, second = ValueError("one"), RuntimeError("two")
    first.__cause__, second.__cause__ = second, first
    return first


def _within(inner: BaseException, outer: BaseException) -> BaseException:
    outer.__context__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (CommandError("no such order", "Check it."), 1, "name: no such order\nCheck it.\n"),
        (SettingsError("ORDERWATCH_X: is not set"), 2, "name: ORDERWATCH_X: is not set\n"),
        (UnavailableError("the broker does not answer"), 3, "name: the broker does not answer\n"),
        (CommandError("\x1b[2Jcleared"), 1, "name: \N{REPLACEMENT CHARACTER}[2Jcleared\n"),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 3, "No space left on device: /data/x"),
        (OSError("Multiple exceptions: refused, refused"), 3, "name: Multiple exceptions"),
        (MemoryError(), 3, "not enough memory"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (_within(BrokenPipeError(errno.EPIPE, "Broken pipe"), SystemExit(1)), 141, ""),
        (_within(KeyboardInterrupt(), RuntimeError("Error calling __set_name__")), 130, ""),
        (SchemaError("Error building `model` serializer:\n  KeyboardInterrupt: "), 130, ""),
        (BaseExceptionGroup("", [ValueError(), BaseExceptionGroup("", [KeyboardInterrupt()])]), 130, ""),
        (ExceptionGroup("", [CommandError("no such order")]), 1, "name: no such order\n"),
        (SystemExit(7), 7, ""),
        (SystemExit("no"), 1, "name: no\n"),
        (SystemExit(), 0, ""),
    ],
)
def test_each_end_has_a_sentence_and_a_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("order_platform.command_line.run._discard", lambda *_arguments: None)
    assert _end(_raise(error), monkeypatch) == code
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors
    assert bool(errors) is bool(said)


@pytest.mark.parametrize("error", [ValueError("hunter2"), _circle()])
def test_a_fault_in_orderwatch_is_one_line_and_a_private_file(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert _end(_raise(error), monkeypatch) == ExitCode.BUG
    [line] = capsys.readouterr().err.splitlines()
    [report] = tmp_path.iterdir()
    assert line.endswith(f"the details are in {report}")
    assert "hunter2" not in line
    assert "Traceback" in report.read_text()
    assert report.stat().st_mode & 0o077 == 0


def test_a_service_leaves_its_traceback_in_its_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _end(_raise(ValueError("broken")), monkeypatch, "run", services=("run",)) == ExitCode.BUG
    errors = capsys.readouterr().err
    assert "ValueError: broken" in errors
    assert errors.splitlines()[-1] == "name: a fault in Orderwatch, please report it: ValueError"


def test_the_traceback_is_printed_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORDERWATCH_DEBUG", "1")
    assert _end(_raise(CommandError("no such order")), monkeypatch) == ExitCode.NEGATIVE
    assert "Traceback" in capsys.readouterr().err


def test_what_cannot_be_imported_is_an_incomplete_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load() -> object:
        import no_such_library  # type: ignore[import-not-found]  # noqa: PLC0415

        return no_such_library

    monkeypatch.setattr(sys, "argv", ["name"])
    with pytest.raises(SystemExit) as ended:
        run_command("name", load)
    assert ended.value.code == ExitCode.UNAVAILABLE
    assert "the installation is incomplete: No module named 'no_such_library'" in capsys.readouterr().err


INTERRUPTED_WITHIN_A_DESTRUCTOR = """
import signal, time
from order_platform.command_line.run import run_command

class Resource:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def command():
    Resource()
    time.sleep(60)

run_command("tool", lambda: command)
"""


def test_an_interrupt_that_a_destructor_loses_is_raised_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WITHIN_A_DESTRUCTOR], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (ExitCode.INTERRUPTED, "")
