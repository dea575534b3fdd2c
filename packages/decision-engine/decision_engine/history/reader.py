"""Reader of a history in chunks: the values of the features of its series."""

import math
from collections.abc import Callable
from itertools import groupby

from decision_engine.history.currency_histories import CurrencyHistories
from decision_engine.history.declaration import SECOND, WITHOUT_ORDERS, Aggregate, HistoryFeature
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.series import SQUARE_BITS, Part, Series
from decision_engine.history.spans import Span, fastest_find_span
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

Value = int | float | None


def deviation(count: int, total: int, squares: int) -> float:
    """The standard deviation of a sample of at least two, from its sums: exact up to the last division and root."""
    return math.sqrt((count * squares - total * total) / (count * (count - 1)))


ReadValue = Callable[[Span, OrderEvent], Value]
"""Reads a feature's value for an order from the orders of its window."""


class LargeReader:
    """Reads the features of a series, which are declared completely, from histories in chunks."""

    def __init__(self, series: Series) -> None:
        self._windows = [
            (
                window,
                [
                    (feature.is_money, WITHOUT_ORDERS.get(feature.aggregate), _reader(series, feature))
                    for feature in features
                ],
            )
            for window, features in groupby(series.features, key=lambda feature: feature.window)
        ]

    def read(
        self, history: LargeHistory | CurrencyHistories, time: int, event: OrderEvent, horizon: int
    ) -> list[Value]:
        """The values of the features for an order, over orders after the horizon."""
        if isinstance(history, CurrencyHistories):
            orders, own_currency = history.orders, history.by_currency.get(event.currency)
        else:
            orders, own_currency = history, history if event.currency == DEFAULT_CURRENCY else None
        values = []
        for window, features in self._windows:
            since = max(time - window, horizon)
            span = money_span = fastest_find_span(orders, since, time)
            if own_currency is not orders:
                money_span = None if own_currency is None else fastest_find_span(own_currency, since, time)
            for is_money, without_orders, read in features:
                of_orders = money_span if is_money else span
                values.append(without_orders if of_orders is None else read(of_orders, event))
        return values


def _reader(series: Series, feature: HistoryFeature) -> ReadValue:
    """How to read a feature from a window with at least one order."""
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return lambda span, _: span.orders
        case Aggregate.SECONDS_SINCE_FIRST:
            return lambda span, _: span.since_first / SECOND
        case Aggregate.SECONDS_SINCE_LAST:
            return lambda span, _: span.since_last / SECOND
    return _column_reader(series, feature)


def _column_reader(  # noqa: PLR0911  (one return for each aggregate)
    series: Series, feature: HistoryFeature
) -> ReadValue:
    column, window = series.column(feature), feature.window
    own_value = series.columns[column - 1].value

    match feature.aggregate:
        case Aggregate.SUM:
            return lambda span, _: span.total(column)
        case Aggregate.AVERAGE:
            return lambda span, _: span.total(column) / span.orders
        case Aggregate.RATIO_TO_AVERAGE:
            return lambda span, event: own_value(event) * span.orders / sum_ if (sum_ := span.total(column)) else None
        case Aggregate.MINIMUM:
            return lambda span, _: span.least(column)
        case Aggregate.MAXIMUM:
            return lambda span, _: span.greatest(column)
        case Aggregate.DISTINCT | Aggregate.LABEL_DISTINCT:
            return lambda span, _: span.distinct(column, window)
    high, low = series.column(feature, Part.SQUARE_HIGH), series.column(feature, Part.SQUARE_LOW)

    def read_deviation(span: Span, _: OrderEvent) -> Value:
        squares = (span.total(high) << SQUARE_BITS) + span.total(low)
        return deviation(span.orders, span.total(column), squares) if span.orders > 1 else None

    return read_deviation
