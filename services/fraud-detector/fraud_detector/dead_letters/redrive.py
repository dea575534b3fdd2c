"""`fraud-detector dead-letters redrive`."""

import asyncio
import getpass
import socket
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from dead_letters.model import Letter, State
from dead_letters.redrive import RedriveError, check_correction
from fraud_detector.dead_letters.command_line import AsJson, error_type, fail, origin, print_json, run, settings
from fraud_detector.dead_letters.desk import Desk
from fraud_detector.dead_letters.report import ERR, OUT, error_table
from order_contract.event import BadEvent
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome

POLL_SECONDS: Final = 0.2
_UNDECIDED: Final = {State.PUBLISHING, State.PENDING}


def redrive(
    letters: Annotated[
        list[Origin] | None, typer.Argument(parser=origin, metavar="[ORIGIN]...", help="Such as orders/3/12345.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that were not redriven yet.")] = False,
    error: Annotated[
        str | None,
        typer.Option(parser=error_type, metavar="TYPE", help="All of this error type that were not redriven yet."),
    ] = None,
    body: Annotated[
        Path | None, typer.Option(help="A corrected body, for one letter; - is standard input.", allow_dash=True)
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was redriven already, and conflicts.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    by: Annotated[str | None, typer.Option(help="Who is on record for it.", show_default="user@host")] = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for what becomes of them.", min=0)] = 10,
    as_json: AsJson = False,
) -> None:
    """Publish dead letters again: their original bytes under their original key and headers, or a corrected body.

    --all and --error leave conflicts out: those want looking at one by one. Exits 1 when something was not redriven.
    """
    if (bool(letters) + everything + (error is not None)) != 1:
        fail("say which: ORIGIN ..., --error TYPE or --all", code=2)
    if body is not None and len(letters or ()) != 1:
        fail("--body corrects one letter: give its ORIGIN", code=2)
    correction = None if body is None else _corrected(body)
    job = _Job(by or f"{getpass.getuser()}@{socket.gethostname()}", again, correction, wait)

    async def work(desk: Desk) -> int:
        if letters:
            chosen = [await desk.letter(each) for each in letters]
        else:
            waiting = await desk.waiting(error)
            chosen = [letter for letter in waiting if again or letter.kind is not MessageOutcome.CONFLICT]
            if len(chosen) < len(waiting):
                ERR.print(f"{len(waiting) - len(chosen)} conflicts are left out; --again takes them in.")
            if chosen and not yes and not _agreed(chosen):
                return 1
        outcomes = await job.do(desk, chosen, quiet=as_json)
        _report(outcomes, as_json=as_json)
        return 1 if any(isinstance(result, RedriveError) for result, _ in outcomes.values()) else 0

    raise typer.Exit(run(work))


Outcomes = dict[Origin, tuple[Origin | RedriveError, State | None]]
"""By letter: where it was published or why not, and what became of it."""


class _Job:
    """How the chosen letters are redriven."""

    def __init__(self, by: str, again: bool, correction: bytes | None, wait: float) -> None:
        self._by = by
        self._again = again
        self._correction = correction
        self._wait = wait

    async def do(self, desk: Desk, letters: Sequence[Letter], *, quiet: bool) -> Outcomes:
        """Redrive them, and wait a while for what becomes of them."""
        results: Outcomes = {}
        columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn()
        with Progress(*columns, console=ERR, transient=True, disable=quiet or not ERR.is_terminal) as progress:
            task = progress.add_task("redriving", total=len(letters))

            def told(letter: Letter, result: Origin | RedriveError) -> None:
                results[letter.origin] = result, None
                progress.advance(task)

            if letters:
                await desk.redrive(letters, by=self._by, again=self._again, correction=self._correction, told=told)
            undecided = [letter for letter, (result, _) in results.items() if isinstance(result, Origin)]
            progress.reset(task, description="waiting for what becomes of them", total=len(undecided))
            deadline = asyncio.get_running_loop().time() + self._wait
            while undecided:
                for letter, state in (await desk.states(undecided)).items():
                    results[letter] = results[letter][0], state
                undecided = [letter for letter in undecided if results[letter][1] in _UNDECIDED]
                progress.update(task, completed=len(results) - len(undecided))
                if not undecided or asyncio.get_running_loop().time() >= deadline:
                    break
                await asyncio.sleep(POLL_SECONDS)
        return results


def _corrected(body: Path) -> bytes:
    try:
        value = sys.stdin.buffer.read() if str(body) == "-" else body.read_bytes()
    except OSError as error:
        fail(f"{body} cannot be read: {error.strerror}", code=2)
    value = value.strip()
    try:
        check_correction(value, settings().event_decoder())
    except BadEvent as error:
        fail(f"{body} is no order event: {error} ({error.error_type})")
    return value


def _agreed(letters: Sequence[Letter]) -> bool:
    """Show what would be redriven, and ask where somebody can answer."""
    ERR.print(error_table(letters))
    if not sys.stdin.isatty():
        ERR.print("Nothing was published. --yes redrives them.")
        return False
    return typer.confirm(f"Publish {len(letters):,} messages again?", err=True)


def _report(outcomes: Outcomes, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "origin": str(letter),
                "published_as": str(result) if isinstance(result, Origin) else None,
                "state": state,
                "problem": str(result) if isinstance(result, RedriveError) else None,
            }
            for letter, (result, state) in outcomes.items()
        )
        return
    for letter, (result, state) in outcomes.items():
        if isinstance(result, RedriveError):
            ERR.print(str(result), style="red", markup=False)
        elif len(outcomes) <= 10:
            OUT.print(f"{letter} is {result} now: {state}", markup=False)
    counts = Counter(str(state) for _, state in outcomes.values() if state is not None)
    OUT.print("; ".join(f"{count:,} {state}" for state, count in counts.most_common()) or "Nothing was redriven.")
