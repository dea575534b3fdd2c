"""What `run` and `reconcile` require before they exit with 0: that something was compared, and that it agrees."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Final

from order_batch.loads.comparison import Comparison, LifeState
from order_batch.pipeline import BatchPipeline
from order_batch.warehouse.partitions import EARLIEST, business_dates, dates_text
from order_batch.warehouse.tables import Span
from order_platform.command_line.output import ERR, failure

PROGRAM: Final = "order-batch"
_REPAIR: Final = "Run `make reconcile REPAIR=on`, or `order-batch reconcile --repair`"


def require_clean(found: Sequence[Comparison], first: date, last: date) -> None:
    """Say that all stages agree, or which dates and months do not; then the exit code is 1."""
    span = f"up to {last}" if first == EARLIEST else dates_text(first, last)
    if not found:
        ERR.print(f"{span}: no orders, users or products anywhere, so nothing was compared")
        return
    dirty = [each for each in found if not each.is_clean]
    if not dirty:
        # Not to the output, which may be JSON.
        ERR.print(f"{span}: the warehouse and the marts hold what Postgres holds")
        return
    orders = sorted({str(each.partition) for each in dirty if each.table.span is Span.DAY})
    catalog = sorted({f"{each.table.name} of {each.partition}" for each in dirty if each.table.span is Span.MONTH})
    kept = {each.partition.start for each in dirty if each.state is LifeState.KEPT}
    advice = [_REPAIR] if any(each.state is not LifeState.KEPT for each in dirty) else []
    if kept:
        advice.append(
            f"No repair loads {_listed(kept)}, as Postgres lacks some of the rows; `order-batch run DATE` replaces a "
            "date by what Postgres holds"
        )
    raise failure(PROGRAM, "\n".join([f"dirty: {', '.join([*orders, *catalog])}", *advice]))


def show_kept(days: Collection[date]) -> None:
    """Name the dates that stay as an earlier release has loaded them."""
    if days:
        ERR.print(
            f"kept as an earlier release has loaded them, as Postgres lacks some of their rows now: {_listed(days)}. "
            "`reconcile` names them, and `order-batch run DATE` replaces one by what Postgres holds"
        )


def require_orders(pipeline: BatchPipeline, first: date, last: date, loaded: str) -> None:
    """Exit with 1 when there is nothing to build: no stage holds orders of these dates, and none of them is frozen."""
    if pipeline.frozen_dates(first, last) or any(each.table.span is Span.DAY for each in pipeline.compare(first, last)):
        return
    raise failure(
        PROGRAM, f"{_no_orders(pipeline, first, last)}: loaded {loaded}; nothing was built, published or compared"
    )


def require_compared(pipeline: BatchPipeline, found: Sequence[Comparison], first: date, last: date) -> None:
    """Name the dates of which nothing was compared; when these are all, the exit code is 1."""
    compared = {each.partition.start for each in found if each.table.span is Span.DAY}
    frozen = pipeline.frozen_dates(first, last)
    if frozen:
        ERR.print(f"retired, so not loaded and not compared: {_listed(frozen)}")
    if not compared:
        all_retired = len(frozen) > (last - first).days
        reason = "all these dates are retired" if all_retired else _no_orders(pipeline, first, last)
        raise failure(PROGRAM, f"{reason}: no orders were compared")
    if empty := [day for day in business_dates(first, last) if day not in compared and day not in frozen]:
        ERR.print(f"without orders: {_listed(empty)}")


def require_published(differing: Sequence[str]) -> None:
    """Exit with 1 when marts are not published as the warehouse holds them, and name these."""
    if differing:
        raise failure(PROGRAM, f"not published as the warehouse holds them: {', '.join(differing)}\n{_REPAIR}")


def _no_orders(pipeline: BatchPipeline, first: date, last: date) -> str:
    held = pipeline.order_dates()
    there = "Postgres holds none of any date" if held is None else f"Postgres holds those of {held[0]} to {held[1]}"
    return f"there are no orders of {dates_text(first, last)} ({there})"


def _listed(days: Collection[date]) -> str:
    """The dates in order, at most ten of them."""
    shown = ", ".join(map(str, sorted(days)[:10]))
    return f"{shown} and {len(days) - 10:,} more" if len(days) > 10 else shown
