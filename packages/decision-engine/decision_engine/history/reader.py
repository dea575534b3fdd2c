"""Reader of a history in chunks: the values of the features of its series."""

import math
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from decision_engine.history.currency_histories import CurrencyHistories
from decision_engine.history.declaration import SECOND, WITHOUT_ORDERS, Aggregate, HistoryFeature
from decision_engine.history.large_history import LargeHistory, Place
from decision_engine.history.series import SQUARE_BITS, Part, Series
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

Value = int | float | None


def deviation(count: int, total: int, squares: int) -> float:
    """The standard deviation of a sample of at least two, from its sums: exact up to the last division and root."""
    return math.sqrt((count * squares - total * total) / (count * (count - 1)))


class Span(NamedTuple):
    """The orders of a history in (`since`, `time`], and the places at their ends."""

    history: LargeHistory
    since: int
    time: int
    first: Place
    end: Place
    orders: int


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
            span = money_span = _span(orders, since, time)
            if own_currency is not orders:
                money_span = None if own_currency is None else _span(own_currency, since, time)
            for is_money, without_orders, read in features:
                of_orders = money_span if is_money else span
                values.append(without_orders if of_orders is None else read(of_orders, event))
        return values


def _span(history: LargeHistory, since: int, time: int) -> Span | None:
    """The orders of a window; None when there are none."""
    # A horizon can be later than the order.
    if not history or since >= time:
        return None
    first, end = history.end_of(since), history.end_of(time)
    orders = history.count(first, end)
    return Span(history, since, time, first, end, orders) if orders else None


def _distinct(span: Span, column: int, window: int) -> int:
    if span.since > span.time - window:  # shortened by the horizon
        return span.history.distinct_between(column, span.first, span.end)
    return span.history.distinct(column, window, span.time)


def _reader(series: Series, feature: HistoryFeature) -> ReadValue:
    """How to read a feature from a window with at least one order."""
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return lambda span, _: span.orders
        case Aggregate.SECONDS_SINCE_FIRST:
            return lambda span, _: (span.time - span.history.time_after(span.first)) / SECOND
        case Aggregate.SECONDS_SINCE_LAST:
            return lambda span, _: (span.time - span.history.time_before(span.end)) / SECOND
    return _column_reader(series, feature)


def _column_reader(  # noqa: PLR0911  (one return for each aggregate)
    series: Series, feature: HistoryFeature
) -> ReadValue:
    column, window = series.column(feature), feature.window
    own_value = series.columns[column - 1].value

    def total(span: Span) -> int:
        return span.history.total(column, span.first, span.end)

    match feature.aggregate:
        case Aggregate.SUM:
            return lambda span, _: total(span)
        case Aggregate.AVERAGE:
            return lambda span, _: total(span) / span.orders
        case Aggregate.RATIO_TO_AVERAGE:
            return lambda span, event: own_value(event) * span.orders / sum_ if (sum_ := total(span)) else None
        case Aggregate.MINIMUM:
            return lambda span, _: span.history.least(column, span.first, span.end)
        case Aggregate.MAXIMUM:
            return lambda span, _: span.history.greatest(column, span.first, span.end)
        case Aggregate.DISTINCT | Aggregate.LABEL_DISTINCT:
            return lambda span, _: _distinct(span, column, window)
    high, low = series.column(feature, Part.SQUARE_HIGH), series.column(feature, Part.SQUARE_LOW)

    def read_deviation(span: Span, _: OrderEvent) -> Value:
        history, first, end = span.history, span.first, span.end
        squares = (history.total(high, first, end) << SQUARE_BITS) + history.total(low, first, end)
        return deviation(span.orders, total(span), squares) if span.orders > 1 else None

    return read_deviation
