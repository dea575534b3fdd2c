"""Output of a replay: a table per ruleset version, and differences order by order."""

from collections.abc import Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from decision_engine.replay.comparison import Difference
from decision_engine.replay.replayer import EXPLANATIONS
from fraud_detector.replay.results import DifferingOrder, ReplayResult, VersionResult
from order_platform.command_line.output import ERR, OUT, print_json
from order_platform.command_line.terminal_text import printable

MOST_SHOWN: Final = 20


def as_document(order: DifferingOrder) -> dict[str, object]:
    """A differing order for programs."""
    return {
        "order_id": order.order_id,
        "partition": order.partition.number,
        "offset": order.offset,
        "epoch": order.partition.epoch,
        "ruleset_version": order.ruleset_version,
        "differences": [each._asdict() for each in order.differences],
    }


def print_summary_document(result: ReplayResult) -> None:
    """Print the counts, as the last JSON document."""
    versions = {version: _counts(each) for version, each in result.versions.items()}
    print_json(
        {**_counts(result.total), "agrees": result.agrees, "incomplete_dates": result.incomplete, "versions": versions}
    )


def _counts(result: VersionResult) -> Mapping[str, object]:
    return {
        "orders": result.orders,
        "decided_again": result.decided,
        "differing": result.differing,
        "not_decided_again": {reason.value: count for reason, count in result.not_decided.items()},
    }


def print_differences(orders: list[DifferingOrder], differing: int) -> None:
    """Print the first orders that differ, one line per field."""
    if not orders:
        return
    table = Table("order", "partition", "offset", "field", "stored", "replayed")
    for order in orders[:MOST_SHOWN]:
        place = order.order_id, str(order.partition.number), str(order.offset)
        for number, each in enumerate(order.differences):
            cells = *(place if number == 0 else ("", "", "")), *_texts(each)
            table.add_row(*(Text(printable(cell)) for cell in cells))
    OUT.print(table)
    if differing > MOST_SHOWN:
        OUT.print(f"and {differing - MOST_SHOWN:,} more orders; --json prints all of them")


def print_summary(result: ReplayResult) -> None:
    """Print the counts of each ruleset version, and what they mean."""
    total = result.total
    table = Table("ruleset", "orders", "decided again", "differ", "not decided again")
    rows = [*result.versions.items()]
    if len(rows) > 1:
        rows.append(("all", total))
    for version, each in rows:
        counts = each.orders, each.decided, each.differing, each.not_decided.total()
        table.add_row(version, *(f"{count:,}" for count in counts))
    OUT.print(table)
    if result.incomplete:
        dates = ", ".join(map(str, result.incomplete[:MOST_SHOWN]))
        ERR.print(f"the source has another number of orders than Postgres for {dates}: load these dates again")
    for reason, count in total.not_decided.most_common():
        ERR.print(f"{count:,} orders were not decided again: {EXPLANATIONS[reason]}")
    if total.differing:
        OUT.print(f"{total.differing:,} of the {total.decided:,} orders that were decided again differ")
    elif total.decided:
        OUT.print(f"the {total.decided:,} orders that were decided again agree with what is stored, to the bit")


def _texts(difference: Difference) -> tuple[str, str, str]:
    stored, replayed = ("" if each is None else printable(str(each)) for each in difference[1:])
    return difference.field, stored, replayed
