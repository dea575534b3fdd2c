"""The command `fraud-detector retroactive`: approved orders that a rule file flags, and reviews for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from decision_engine.backtest.backtester import PastOrder
from fraud_detector.backtest.running import MOST_DAYS, BacktestSettings, load_rules, run_backtest
from order_contract.business_time import business_text
from order_contract.decision import Decision, Outcome
from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.database import Connection, run_on_database
from order_platform.command_line.errors import UsageError
from order_platform.command_line.operator import current_operator
from order_platform.command_line.output import ERR, OUT, AsJson, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.command_line.terminal_text import printable
from order_platform.postgres.reviews import MAX_REASON, NewReview, open_reviews

MOST_REVIEWS: Final = 10_000
"""Orders that are kept to be listed and reviewed: more than that no team reviews."""
MOST_SHOWN: Final = 50


@dataclass(slots=True)
class FlaggedOrders:
    """The approved orders that a ruleset flags: all are counted, the newest MOST_REVIEWS are kept."""

    count: int = 0
    labelled: int = 0
    orders: list[tuple[PastOrder, Decision]] = field(default_factory=list)

    def observe(self, order: PastOrder, decision: Decision) -> None:
        """Count an order if it was approved and is flagged now. An order with a label needs no review."""
        if order.outcome is not Outcome.APPROVE or decision.outcome is Outcome.APPROVE:
            return
        if order.label is not None:
            self.labelled += 1
            return
        self.count += 1
        self.orders.append((order, decision))
        if len(self.orders) > 2 * MOST_REVIEWS:
            self.orders = self.newest

    @property
    def newest(self) -> list[tuple[PastOrder, Decision]]:
        return self.orders[-MOST_REVIEWS:]


def retroactive(
    file: Annotated[Path, typer.Argument(help="YAML file of rules.")],
    *,
    days: Annotated[int, typer.Option(metavar="N", min=1, max=MOST_DAYS, help="Orders of the past N days.")] = 30,
    reviews: Annotated[
        str | None, typer.Option("--open-reviews", metavar="REASON", help="Open a review for each, for this reason.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Open reviews without asking.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the approved orders of the past days that a rule file flags; optionally, open reviews for them.

    Orders that are labelled need no review: they are counted, and not listed. Decisions stay as they are. Exits 0, also
    when there are none; 1 when there was no order at all.

    fraud-detector retroactive rules.yaml --days 30
    fraud-detector retroactive rules.yaml --days 30 --open-reviews "card testing of November"
    """
    if reviews is not None and (not reviews.strip() or len(reviews) > MAX_REASON or not reviews.isprintable()):
        raise UsageError(f"--open-reviews is one line of at most {MAX_REASON} characters, which says why")
    settings = read_settings(BacktestSettings)
    ruleset = load_rules(file)
    until = datetime.now(UTC)
    found = FlaggedOrders()
    run_backtest(
        settings,
        ruleset,
        None,
        names=(f"{file.name} ({ruleset.version})", "the stored decisions"),
        dates=(until - timedelta(days=days), until),
        observe=found.observe,
    )
    if as_json:
        for each in found.newest:
            print_json(_as_document(*each))
    else:
        _print(found)
    if reviews is None or not found.count:
        return
    require_confirmation("fraud-detector", f"Open reviews for {len(found.newest):,} orders?", yes=yes)
    opened = _open(settings, found.newest, ruleset.version, reviews.strip())
    ERR.print(f"{opened:,} reviews were opened; {len(found.newest) - opened:,} orders had one already")


def _open(settings: BacktestSettings, orders: Sequence[tuple[PastOrder, Decision]], version: str, reason: str) -> int:
    wanted = [NewReview(order.event.order_id, [hit["rule"] for hit in decision.hits]) for order, decision in orders]

    async def run(connection: Connection) -> int:
        return await open_reviews(connection, wanted, ruleset_version=version, author=current_operator(), reason=reason)

    return run_on_database(settings, run)


def _as_document(order: PastOrder, decision: Decision) -> Mapping[str, Any]:
    event = order.event
    return {
        "order_id": event.order_id,
        "user_id": event.user_id,
        "created_date": event.created_date,
        "amount": event.amount,
        "currency": event.currency,
        "outcome": decision.outcome,
        "risk_score": decision.risk_score,
        "hits": decision.hits,
    }


def _print(found: FlaggedOrders) -> None:
    if not found.count:
        OUT.print("no approved order without a label is flagged by these rules")
    else:
        table = Table("order", "created", "amount", "outcome", "why")
        for order, decision in found.newest[: -MOST_SHOWN - 1 : -1]:
            event = order.event
            why = " ".join(hit["reason"] for hit in decision.hits)
            created, amount = business_text(event.created_date), f"{event.amount:,} {event.currency}"
            cells = event.order_id, created, amount, decision.outcome.value, why
            table.add_row(*(Text(printable(cell)) for cell in cells))
        OUT.print(table)
        more = f"; the newest {MOST_SHOWN} are shown, --json prints up to {MOST_REVIEWS:,}"
        OUT.print(f"{found.count:,} approved orders are flagged by these rules{more * (found.count > MOST_SHOWN)}")
    if found.labelled:
        OUT.print(f"{found.labelled:,} more are labelled already")
    if len(found.newest) < found.count:
        ERR.print(f"reviews are for the newest {len(found.newest):,} of them")
