"""Reader of a history in chunks: the values of the features of its series."""

import math

from decision_engine.history.declaration import SECOND, WITHOUT_ORDERS, Aggregate, HistoryFeature
from decision_engine.history.large_history import CurrencyHistories, LargeHistory
from decision_engine.history.series import SQUARE_BITS, Part, Series
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

Value = int | float | None


def deviation(count: int, total: int, squares: int) -> float:
    """The standard deviation of a sample of at least two, from its sums: exact up to the last division and root."""
    return math.sqrt((count * squares - total * total) / (count * (count - 1)))


def read_large(
    series: Series, history: LargeHistory | CurrencyHistories, time: int, event: OrderEvent, horizon: int
) -> tuple[Value, ...]:
    """The values of a series' features for an order, over orders after the horizon in a history kept in chunks."""
    orders: LargeHistory | None
    if isinstance(history, CurrencyHistories):
        orders, own_currency = history.orders, history.by_currency.get(event.currency)
    else:
        orders, own_currency = history, history if event.currency == DEFAULT_CURRENCY else None
    return tuple(
        _value(
            series,
            feature,
            own_currency if feature.is_money else orders,
            (max(time - feature.window, horizon), time),
            event,
        )
        for feature in series.features
    )


def _value(  # noqa: PLR0911  (one return for each aggregate)
    series: Series, feature: HistoryFeature, history: LargeHistory | None, window: tuple[int, int], event: OrderEvent
) -> Value:
    if not history:
        return WITHOUT_ORDERS.get(feature.aggregate)
    since, time = window
    end = history.end_of(time)
    start = history.end_of(since)
    count = history.count(start, end)

    def total(part: Part = Part.VALUE) -> int:
        return history.total(series.column(feature, part), start, end)

    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return count
        case Aggregate.SUM:
            return total()
        case Aggregate.DISTINCT:
            return history.distinct(series.column(feature), since, time)
    if not count:
        return None
    match feature.aggregate:
        case Aggregate.AVERAGE:
            return total() / count
        case Aggregate.RATIO_TO_AVERAGE:
            return series.columns[series.column(feature) - 1].value(event) * count / total() if total() else None
        case Aggregate.DEVIATION:
            squares = (total(Part.SQUARE_HIGH) << SQUARE_BITS) + total(Part.SQUARE_LOW)
            return deviation(count, total(), squares) if count > 1 else None
        case Aggregate.MINIMUM:
            return history.extremes(series.column(feature), start, end)[0]
        case Aggregate.MAXIMUM:
            return history.extremes(series.column(feature), start, end)[1]
        case Aggregate.SECONDS_SINCE_FIRST:
            return (time - history.time_after(start)) / SECOND
    return (time - history.time_before(end)) / SECOND
