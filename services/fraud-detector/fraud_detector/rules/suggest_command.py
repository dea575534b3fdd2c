"""The command `fraud-detector rules suggest`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from decision_engine.backtest.backtester import PastOrder
from decision_engine.backtest.tally import Tally
from decision_engine.history.labelled_orders import COUNTED_AS
from decision_engine.proportion import Proportion
from decision_engine.ruleset import load_ruleset, parse_ruleset
from fraud_detector.backtest.output import print_report
from fraud_detector.backtest.running import BacktestSettings, load_rules, run_backtest
from fraud_detector.rules.suggestion import Candidate, Suggestion, draft, find_suggestions, suggested_id
from order_contract.decision import Decision
from order_contract.label import Label
from order_platform.atomic_write import write_atomically
from order_platform.command_line.date_options import From, To, require_range
from order_platform.command_line.errors import ExitCode, UnavailableError
from order_platform.command_line.output import ERR
from order_platform.command_line.settings_errors import read_settings

MOST_LABELLED: Final = 200_000
UNLABELLED_SHARE: Final = 20
"""Of the orders without a label every twentieth is kept, to know how many orders a rule flags."""
COUNTEREXAMPLES: Final = 3


class _Learned:
    """Orders to learn from: those with labels, and a sample of the others, which counts for all of them."""

    def __init__(self) -> None:
        self.labelled: list[Candidate] = []
        self.unlabelled: list[Candidate] = []
        self._count = 0

    def observe(self, order: PastOrder, decision: Decision) -> None:
        if order.label is not None:
            if len(self.labelled) < MOST_LABELLED:
                is_fraud = COUNTED_AS[order.label] == Label.FRAUD
                self.labelled.append(Candidate(order.event, decision.features, is_fraud))
            return
        self._count += 1
        if self._count % UNLABELLED_SHARE == 0 and len(self.unlabelled) < MOST_LABELLED:
            self.unlabelled.append(Candidate(order.event, decision.features, None, UNLABELLED_SHARE))


class _Counterexamples:
    """The first legitimate orders that each rule fires on."""

    def __init__(self) -> None:
        self.order_ids: dict[str, list[str]] = {}

    def observe(self, order: PastOrder, decision: Decision) -> None:
        if order.label is None or COUNTED_AS[order.label] == Label.FRAUD:
            return
        for hit in decision.hits:
            found = self.order_ids.setdefault(hit["rule"], [])
            if len(found) < COUNTEREXAMPLES:
                found.append(order.event.order_id)


def suggest(
    *,
    since: From,
    until: To,
    output: Annotated[Path, typer.Option(metavar="FILE", help="Where the draft goes.")],
    reviews: Annotated[
        float,
        typer.Option("--reviews-a-day", metavar="N", min=0.1, max=1_000_000, help="Flags that they may add a day."),
    ] = 20,
    base: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rule file whose features and lists may be used.")
    ] = None,
) -> None:
    """Suggest rules from labelled orders: learned on the earlier half of the time, and tried on the later half.

    Writes a draft of rules in shadow, each with how it did on the later half and with legitimate orders that it fires
    on, and prints the backtest of that half. Exits 1 when nothing can be suggested.

    fraud-detector rules suggest --from 2026-09-01 --to 2026-11-20 --base rules.yaml --output draft.yaml
    """
    require_range(since, until)
    settings = read_settings(BacktestSettings)
    ruleset = load_ruleset(None) if base is None else load_rules(base)
    middle = since + (until - since) / 2
    learned = _Learned()
    run_backtest(settings, ruleset, None, names=("learning", ""), dates=(since, middle), observe=learned.observe)
    days = (middle - since).total_seconds() / 86_400
    suggestions = find_suggestions([*learned.labelled, *learned.unlabelled], days, reviews)
    if not suggestions:
        ERR.print(
            f"nothing to suggest: no condition on the {len(learned.labelled):,} labelled orders before {middle} finds "
            "more fraud than chance within the reviews of a day"
        )
        raise typer.Exit(ExitCode.NEGATIVE)
    live = draft(ruleset, suggestions)
    examples = _Counterexamples()
    tried = run_backtest(
        settings,
        parse_ruleset(live, "the suggested rules"),
        None,
        names=("the suggested rules", "the stored decisions"),
        dates=(middle, until),
        observe=examples.observe,
    )
    text = draft(ruleset, suggestions, _notes(suggestions, tried.tally, examples.order_ids), mode="shadow")
    try:
        write_atomically(output, text)
    except OSError as error:
        raise UnavailableError(f"{output} cannot be written: {error.strerror}") from None
    print_report(tried)
    ERR.print(f"{output} has {len(suggestions)} rules in shadow; fraud-detector rules lint checks them", markup=False)


def _notes(suggestions: Sequence[Suggestion], tally: Tally, order_ids: dict[str, list[str]]) -> Sequence[str]:
    return [
        f"Learned: {_share(suggestion.precision)} labelled hits were fraud. "
        f"Later: {_share(tally.rules[name].precision) if name in tally.rules else 'no'} labelled hits were fraud, of "
        f"{tally.rules[name].hits.orders if name in tally.rules else 0:,} hits. "
        f"Legitimate there: {', '.join(order_ids.get(name, [])) or 'none'}."
        for name, suggestion in ((suggested_id(number), each) for number, each in enumerate(suggestions))
    ]


def _share(proportion: Proportion) -> str:
    return f"{proportion.part:,} of {proportion.whole:,}"
