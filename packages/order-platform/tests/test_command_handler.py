"""The handler around every command: it ends, whatever a library raises."""

import pytest

from order_platform.command_line.errors import ExitCode
from order_platform.command_line.run import run_command


def test_errors_that_are_linked_in_a_circle_end_like_any_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["tool"])
    monkeypatch.setattr("order_platform.command_line.run._turn_signals_into_interrupts", list)

    def fail() -> None:
        first, second = ConnectionRefusedError(111, "Connection refused"), ValueError("wrapped")
        first.__context__, second.__context__ = second, first
        raise first

    with pytest.raises(SystemExit) as ended:
        run_command("tool", lambda: fail)
    assert ended.value.code == ExitCode.UNAVAILABLE
    assert "tool: Connection refused" in capsys.readouterr().err
