"""The command `fraud-detector rule-change`: what a pull request changes, as sentences and figures in Markdown."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer

from decision_engine.example_runner import run_examples
from decision_engine.explanation import explain_difference
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset
from fraud_detector.backtest.running import MOST_DAYS, BacktestSettings, load_rules, run_backtest
from order_backtests.markdown import as_markdown, escape_markdown
from order_platform.command_line.errors import CommandError, ExitCode, UnavailableError
from order_platform.command_line.settings_errors import read_settings

MOST_SENTENCES: Final = 100


def rule_change(
    before: Annotated[Path, typer.Argument(help="The rule file as it is; a path that does not exist: it is new.")],
    after: Annotated[Path, typer.Argument(help="The rule file as it is to be.")],
    *,
    days: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_DAYS, help="Backtest of the past N days; 0 for none.")
    ] = 14,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write there instead of standard output.", show_default=False)
    ] = None,
) -> None:
    """Say what a change of a rule file does, as Markdown for a pull request: its differences as sentences, a backtest.

    The backtest compares both files on the stored orders of the past days; without a database, or without orders, the
    text says so. Exits 1 when the file is not accepted, or one of its examples is not as expected.

    fraud-detector rule-change main/rules.yaml rules.yaml --days 14 --output change.md
    """
    lines = [f"# Rules: {escape_markdown(after.name)}", ""]
    try:
        new = load_ruleset(after)
    except RulesetError as error:
        _write([*lines, "The file is not accepted:", "", f"> {escape_markdown(str(error))}"], output)
        raise typer.Exit(ExitCode.NEGATIVE) from None
    old = load_rules(before) if before.exists() else None
    failed = [result for result in run_examples(new) if not result.as_expected]
    lines += _difference(old, new)
    if failed:
        lines += ["", f"**{len(failed)} examples are not as expected:**", ""]
        lines += [f"- {escape_markdown(f'{each.rule.id}: {each.example.name}')}" for each in failed[:MOST_SENTENCES]]
    if days:
        lines += ["", _backtest(old, new, days).rstrip()]
    _write(lines, output)
    raise typer.Exit(ExitCode.NEGATIVE if failed else ExitCode.OK)


def _difference(old: Ruleset | None, new: Ruleset) -> Iterator[str]:
    if old is None:
        yield f"The file is new: {len(new.rules):,} rules, version `{new.version}`."
        return
    sentences = [*explain_difference(old, new)]
    if not sentences:
        yield f"No decision changes: both are version `{new.version}`."
        return
    yield f"Version `{old.version}` becomes `{new.version}`:"
    yield ""
    yield from (f"- {escape_markdown(sentence)}" for sentence in sentences[:MOST_SENTENCES])
    if len(sentences) > MOST_SENTENCES:
        yield f"- and {len(sentences) - MOST_SENTENCES:,} more changes"


def _backtest(old: Ruleset | None, new: Ruleset, days: int) -> str:
    """The backtest's report, or why there is none."""
    until = datetime.now(UTC)
    try:
        result = run_backtest(
            read_settings(BacktestSettings),
            new,
            old,
            names=(f"the change ({new.version})", "the stored decisions" if old is None else old.version),
            dates=(until - timedelta(days=days), until),
        )
    except (UnavailableError, CommandError) as error:
        return f"## Backtest\n\nThere is none: {escape_markdown(str(error))}"
    except typer.Exit as error:
        if error.exit_code == ExitCode.INTERRUPTED:
            raise
        return f"## Backtest\n\nThere is none: no order of the past {days} days is stored."
    return as_markdown(result)


def _write(lines: list[str], output: Path | None) -> None:
    text = "\n".join(lines) + "\n"
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UnavailableError(f"{output} cannot be written: {error.strerror}") from None
