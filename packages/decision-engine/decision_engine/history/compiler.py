"""Compiler of series into two functions: the features of an order, and adding an order.

They are generated as Python source, as dataclasses and named tuples generate theirs: with ten features of four keys, a
loop over declarations takes several times as long as what it does for them.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from decision_engine.history.columns import ColumnKind
from decision_engine.history.declaration import (
    ATTRIBUTE,
    OPTIONAL_FIELDS,
    SECOND,
    WITHOUT_ORDERS,
    Aggregate,
    HistoryFeature,
)
from decision_engine.history.large_history import CurrencyHistories, LargeHistory
from decision_engine.history.reader import Value, deviation, read_large
from decision_engine.history.series import POSITIONS, ColumnSource, Series, identity, key_attribute, microseconds
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

ReadFeatures = Callable[[OrderEvent], dict[str, Value]]
"""The values of all features for an order."""

AddOrder = Callable[[OrderEvent], None]
"""Adds an order to all series."""

_TIME: Final = f"event[{POSITIONS['created_date']}]"
_CURRENCY: Final = f"event[{POSITIONS['currency']}]"


def compile_series(
    all_series: Sequence[Series], shares: Sequence[HistoryFeature] = ()
) -> tuple[ReadFeatures, AddOrder]:
    """The two functions over these series; `shares` are features that divide two others, see `share_parts`."""
    names: dict[str, Any] = {
        "array": array, "bisect_right": bisect_right, "deviation": deviation, "identity": identity,
        "microseconds": microseconds, "key_attribute": key_attribute,
    }  # fmt: skip
    for number, series in enumerate(all_series):
        names |= {
            f"histories{number}": series.histories,
            f"read_large{number}": _large_reader(series),
            f"add_slowly{number}": series.add,
            f"counts{number}": series.condition,
        }
    source = "\n".join((*_read_source(all_series, shares), *_add_source(all_series)))
    exec(compile(source, "<history features>", "exec"), names)  # noqa: S102  (made of numbers and names of fields)
    return names["read"], names["add"]


def share_parts(share: HistoryFeature) -> tuple[HistoryFeature, HistoryFeature]:
    """The two counts of which a share of labelled orders is the quotient."""
    return (
        replace(share, name=f"{share.name} labelled", aggregate=Aggregate.LABEL_COUNT),
        replace(share, name=f"{share.name} orders", aggregate=Aggregate.COUNT, label=None),
    )


def _large_reader(series: Series) -> Callable[[LargeHistory | CurrencyHistories, int, OrderEvent], tuple[Value, ...]]:
    return lambda history, time, event: read_large(series, history, time, event)


def _read_source(all_series: Sequence[Series], shares: Sequence[HistoryFeature]) -> Iterator[str]:
    yield "def read(event):"
    yield f"    time = microseconds({_TIME})"
    variables: dict[HistoryFeature, str] = {}
    for number, series in enumerate(all_series):
        names = [f"value{number}_{index}" for index in range(len(series.features))]
        variables |= zip(series.features, names, strict=True)
        target = ", ".join(names) + ","
        nothing = tuple(WITHOUT_ORDERS.get(feature.aggregate) for feature in series.features)
        key = f"histories{number}.get({_key(series)})"
        absent = _any_absent(series.key)
        yield f"    history = {f'None if {absent} else {key}' if absent else key}"
        yield "    if history.__class__ is tuple:"
        yield from _indented(_short_reader(series, names), 8)
        yield "    elif history is None:"
        yield f"        {target} = {nothing}"
        if absent:
            yield f"        if {absent}: {' = '.join(names)} = None"
        yield "    else:"
        yield f"        {target} = read_large{number}(history, time, event)"
    parts = {part for share in shares for part in share_parts(share)}
    values = [f"{feature.name!r}: {name}" for feature, name in variables.items() if feature not in parts]
    for share in shares:
        labelled, orders = (variables[part] for part in share_parts(share))
        values.append(f"{share.name!r}: {labelled} / {orders} if {orders} else None")
    yield f"    return {{{', '.join(values)}}}"


def _short_reader(series: Series, names: Sequence[str]) -> Iterator[str]:
    yield f"{', '.join(_columns(series))}, = history"
    yield "end = len(times) if times[-1] <= time else bisect_right(times, time)"
    window = None
    for name, feature in zip(names, series.features, strict=True):
        if feature.window != window:
            limit = "end" if window is None else "start"
            yield f"start = bisect_right(times, time - {feature.window}, 0, {limit})"
            window = feature.window
        value = _aggregate(series, feature)
        if feature.is_money:
            value = f"({value}) if {_CURRENCY} == {DEFAULT_CURRENCY!r} else {WITHOUT_ORDERS.get(feature.aggregate)}"
        yield f"{name} = {value}"


def _aggregate(series: Series, feature: HistoryFeature) -> str:  # noqa: PLR0911, PLR0912  (one case per aggregate)
    """The value of a feature, as an expression over the columns and the window's `start` and `end`."""
    column, squares = "", ""
    if feature.field is not None:
        column = f"column{series.column(feature)}"
    if feature.aggregate is Aggregate.DEVIATION:
        squares = f"column{series.column(feature, squared=True)}"
    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return "end - start"
        case Aggregate.SUM:
            return f"{column}[end] - {column}[start]"
        case Aggregate.AVERAGE:
            return f"({column}[end] - {column}[start]) / (end - start) if end > start else None"
        case Aggregate.RATIO_TO_AVERAGE:
            own = _value(series.columns[series.column(feature) - 1])
            return f"{own} * (end - start) / total if (total := {column}[end] - {column}[start]) else None"
        case Aggregate.DEVIATION:
            total, squared = f"{column}[end] - {column}[start]", f"{squares}[end] - {squares}[start]"
            return f"deviation(end - start, {total}, {squared}) if end - start > 1 else None"
        case Aggregate.MINIMUM:
            return f"min({column}[start:end]) if end > start else None"
        case Aggregate.MAXIMUM:
            return f"max({column}[start:end]) if end > start else None"
        case Aggregate.DISTINCT:
            return f"len(set({column}[start:end])) if end - start > 1 else end - start"
        case Aggregate.SECONDS_SINCE_FIRST:
            return f"(time - times[start]) / {SECOND} if end > start else None"
        case Aggregate.SECONDS_SINCE_LAST:
            return f"(time - times[end - 1]) / {SECOND} if end > start else None"
        case Aggregate.LABEL_SHARE:
            raise AssertionError("a share is the quotient of its parts")


def _add_source(all_series: Sequence[Series]) -> Iterator[str]:
    yield "def add(event):"
    yield f"    time = microseconds({_TIME})"
    for number, series in enumerate(all_series):
        if series.label is not None:
            continue  # labels come later than their orders
        absent = _any_absent((*series.key, *filter(None, (series.required,))))
        counts = f"counts{number}(event)" if series.condition else "True"
        yield f"    if not ({absent}) and {counts}:" if absent else f"    if {counts}:"
        yield from _indented(_adder(number, series), 8)


def _adder(number: int, series: Series) -> Iterator[str]:
    # The usual order is the newest of its key, and its values fit into arrays of 64-bit integers.
    new = ["array('q', (time,))"]
    appended = []
    for index, column in enumerate(series.columns, 1):
        value = _value(column)
        if column.kind is ColumnKind.TOTALS:
            new.append(f"array('q', (0, {value}))")
            appended.append(f"column{index}.append(column{index}[-1] + {value})")
        else:
            new.append(f"array('q', ({value},))")
            appended.append(f"column{index}.append({value})")
    yield f"key = {_key(series)}"
    yield f"history = histories{number}.get(key)"
    yield "try:"
    if series.has_money:
        yield f"    if {_CURRENCY} != {DEFAULT_CURRENCY!r}:"
        yield f"        add_slowly{number}(event, time)"
    yield f"    {'elif' if series.has_money else 'if'} history is None:"
    yield f"        histories{number}[key] = ({', '.join(new)},)"
    yield f"    elif history.__class__ is tuple and history[0][-1] <= time and len(history[0]) < {series.chunk - 1}:"
    yield f"        {', '.join(_columns(series))}, = history"
    yield from _indented(appended, 8)
    yield "        times.append(time)"
    yield "    else:"
    yield f"        add_slowly{number}(event, time)"
    yield "except OverflowError:"
    yield f"    add_slowly{number}(event, time)"


def _columns(series: Series) -> list[str]:
    return ["times", *(f"column{index}" for index in range(1, len(series.columns) + 1))]


def _key(series: Series) -> str:
    fields = [_field(name) for name in series.key]
    return fields[0] if len(fields) == 1 else f"({', '.join(fields)})"


def _any_absent(fields: Iterable[str]) -> str:
    """Whether one of the fields is absent, as an expression; empty when none of them can be."""
    return " or ".join(
        f"{_field(name)} is None" for name in fields if name in OPTIONAL_FIELDS or name.startswith(ATTRIBUTE)
    )


def _field(name: str) -> str:
    if name.startswith(ATTRIBUTE):
        return f"key_attribute(event[{POSITIONS['attributes']}], {name.removeprefix(ATTRIBUTE)!r})"
    return f"event[{POSITIONS[name]}]"


def _value(column: ColumnSource) -> str:
    value = f"event[{POSITIONS[column.field]}]"
    if column.kind is ColumnKind.IDS:
        return f"identity({value})"
    return f"{value} * {value}" if column.squared else value


def _indented(lines: Iterable[str], spaces: int) -> Iterator[str]:
    return (" " * spaces + line for line in lines)
