"""Commands that cannot be undone ask on a terminal, and need --yes elsewhere."""

import io

import pytest
import typer

from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.errors import ExitCode


class Terminal(io.StringIO):
    """Standard input of a person who types these lines."""

    def isatty(self) -> bool:
        return True


def test_yes_asks_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    require_confirmation("program", "Delete it?", yes=True)
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_it_is_a_usage_error_that_names_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    with pytest.raises(typer.Exit) as end:
        require_confirmation("program", "Delete it?", yes=False, unchanged="nothing was deleted")
    assert end.value.exit_code == ExitCode.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "nothing was deleted: confirmation needs a terminal; add --yes to do without" in " ".join(err.split())


def test_a_terminal_is_asked_on_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    require_confirmation("program", "Delete it?", yes=False)
    out, err = capsys.readouterr()
    assert out.strip() == ""
    assert "Delete it? [y/N]" in err


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_anything_but_yes_aborts(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    with pytest.raises(typer.Abort):
        require_confirmation("program", "Delete it?", yes=False)
