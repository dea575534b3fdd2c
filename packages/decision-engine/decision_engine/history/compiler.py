"""Compiler of series into three functions: the features of an order, adding an order, and both in one pass.

They are generated as Python source, as dataclasses and named tuples generate theirs: with ten features of four keys, a
loop over declarations takes several times as long as what it does for them. Most of the time goes by until the memory
of a history arrives, so an order that is decided and counted looks for each of its histories once.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from decision_engine.history.columns import ColumnKind
from decision_engine.history.declaration import (
    ATTRIBUTE,
    OPTIONAL_FIELDS,
    SECOND,
    WITHOUT_ORDERS,
    Aggregate,
    HistoryFeature,
)
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.reader import LargeReader, deviation
from decision_engine.history.series import (
    NO_HORIZON,
    POSITIONS,
    SQUARE_BITS,
    UNIX_EPOCH,
    ColumnSource,
    Part,
    Series,
    identity,
    key_attribute,
)
from decision_engine.history.short_history import LARGEST, insert_late, totals_before
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY


class ReadFeatures(Protocol):
    """Reads the values of all features for an order, over orders after the horizon, in microseconds since 1970."""

    def __call__(self, event: OrderEvent, horizon: int = NO_HORIZON, /) -> MutableMapping[str, Any]: ...


AddOrder = Callable[[OrderEvent], None]
"""Adds an order to all series."""


class SeriesFunctions(NamedTuple):
    """The functions over some series; `read_and_add` reads all features for an order, then adds it."""

    read: ReadFeatures
    add: AddOrder
    read_and_add: ReadFeatures


LABELLED_PART: Final = " labelled"
ORDERS_PART: Final = " orders"
"""End the names of the two counts of which a share is the quotient."""

_CREATED: Final = f"event[{POSITIONS['created_date']}]"
# The same as `microseconds`, without a call.
_TIME: Final = "(since_epoch.days * 86_400 + since_epoch.seconds) * 1_000_000 + since_epoch.microseconds"
_CURRENCY: Final = f"event[{POSITIONS['currency']}]"


def compile_series(all_series: Sequence[Series], shares: Sequence[HistoryFeature] = ()) -> SeriesFunctions:
    """The functions over these series; `shares` are features that divide two others, see `share_parts`."""
    names: dict[str, Any] = {
        "array": array, "bisect_right": bisect_right, "deviation": deviation, "identity": identity,
        "UNIX_EPOCH": UNIX_EPOCH, "key_attribute": key_attribute, "insert_late": insert_late,
        "LargeHistory": LargeHistory,
    }  # fmt: skip
    for number, series in enumerate(all_series):
        entries = 1 + sum(1 + (kind is ColumnKind.TOTALS) for kind in series.kinds)
        names |= {
            f"empty{entries}": array("q", bytes(8 * entries)),
            f"histories{number}": series.histories,
            f"read_large{number}": LargeReader(series).read,
            f"add_slowly{number}": series.add,
            f"kinds{number}": tuple(series.kinds),
            f"counts{number}": series.condition,
        }
    keys = _key_names(all_series)
    # Labels come later than their orders.
    adders = {
        number: _Adder(number, series, keys[series.key])
        for number, series in enumerate(all_series)
        if series.label is None
    }
    source = "\n".join(
        (
            *_read_source("read", all_series, shares, {}),
            *_add_source(adders),
            *_read_source("read_and_add", all_series, shares, adders),
        )
    )
    exec(compile(source, "<history features>", "exec"), names)  # noqa: S102  (made of numbers and names of fields)
    return SeriesFunctions(names["read"], names["add"], names["read_and_add"])


def share_parts(share: HistoryFeature) -> tuple[HistoryFeature, HistoryFeature]:
    """The two counts of which a share of labelled orders is the quotient."""
    return (
        replace(share, name=share.name + LABELLED_PART, aggregate=Aggregate.LABEL_COUNT),
        replace(share, name=share.name + ORDERS_PART, aggregate=Aggregate.COUNT, label=None),
    )


def _read_source(
    name: str, all_series: Sequence[Series], shares: Sequence[HistoryFeature], adders: Mapping[int, "_Adder"]
) -> Iterator[str]:
    """A function that reads all features, and adds the order to the series that have an adder, by their numbers."""
    yield f"def {name}(event, horizon={NO_HORIZON}):"
    yield from _indented(_times(sorted({each.window for series in all_series for each in series.features})), 4)
    keys = _key_names(all_series)
    yield from _indented((f"{name} = {_key(fields)}" for fields, name in keys.items()), 4)
    yield from _indented(_identities(adders.values()), 4)
    variables: dict[HistoryFeature, str] = {}
    for number, series in enumerate(all_series):
        names = [f"value{number}_{index}" for index in range(len(series.features))]
        variables |= zip(series.features, names, strict=True)
        target = ", ".join(names) + ","
        nothing = tuple(WITHOUT_ORDERS.get(feature.aggregate) for feature in series.features)
        key, adder = keys[series.key], adders.get(number)
        # No history has the key None, of an order that lacks a field.
        yield f"    history = histories{number}.get({key})"
        yield "    if history.__class__ is array:"
        yield from _indented(_short_reader(series, names), 8)
        if adder:
            yield from _indented(adder.extend(is_late="end < count"), 8)
        yield "    elif history is None:"
        yield f"        {target} = {nothing}"
        if _optional(series.key):
            yield f"        if {key} is None: {' = '.join(names)} = None"
        if adder:
            yield from _indented(adder.begin(), 8)
        yield "    else:"
        yield f"        {target} = read_large{number}(history, time, event, horizon)"
        if adder:
            yield from _indented(adder.extend_large(), 8)
    parts = {part for share in shares for part in share_parts(share)}
    values = [f"{feature.name!r}: {name}" for feature, name in variables.items() if feature not in parts]
    for share in shares:
        labelled, orders = (variables[part] for part in share_parts(share))
        values.append(f"{share.name!r}: {labelled} / {orders} if {orders} else None")
    yield f"    return {{{', '.join(values)}}}"


def _times(windows: Sequence[int]) -> Iterator[str]:
    """The order's time, and when each of the windows begins, the shortest first: not before the horizon."""
    yield f"since_epoch = {_CREATED} - UNIX_EPOCH"
    yield f"time = {_TIME}"
    yield from (f"since{window} = time - {window}" for window in windows)
    if windows:
        yield f"if since{windows[-1]} < horizon:"
        yield from (f"    since{window} = max(since{window}, horizon)" for window in windows)


def _short_reader(series: Series, names: Sequence[str]) -> Iterator[str]:
    yield from _layout(series)
    yield "end = count if history[count - 1] <= time else bisect_right(history, time, 0, count)"
    window = None
    for name, feature in zip(names, series.features, strict=True):
        if feature.window != window:
            limit = "end" if window is None else "start"
            since = f"since{feature.window}"
            # Of most keys, the window has all orders.
            yield f"start = 0 if history[0] > {since} else bisect_right(history, {since}, 0, {limit})"
            window = feature.window
        value = _aggregate(series, feature)
        if feature.is_money:
            value = f"({value}) if {_CURRENCY} == {DEFAULT_CURRENCY!r} else {WITHOUT_ORDERS.get(feature.aggregate)}"
        yield f"{name} = {value}"


def _aggregate(series: Series, feature: HistoryFeature) -> str:  # noqa: PLR0911  (one case per aggregate)
    """The value of a feature, as an expression over the columns and the window's `start` and `end`."""

    def total(part: Part = Part.VALUE) -> str:
        column = f"column{series.column(feature, part)}"
        return f"history[{column} + end] - history[{column} + start]"

    def window() -> str:
        column = f"column{series.column(feature)}"
        return f"history[{column} + start:{column} + end]"

    match feature.aggregate:
        case Aggregate.COUNT | Aggregate.LABEL_COUNT:
            return "end - start"
        case Aggregate.SUM:
            return total()
        case Aggregate.AVERAGE:
            return f"({total()}) / (end - start) if end > start else None"
        case Aggregate.RATIO_TO_AVERAGE:
            own = _value(series.columns[series.column(feature) - 1])
            return f"{own} * (end - start) / total if (total := {total()}) else None"
        case Aggregate.DEVIATION:
            squares = f"({total(Part.SQUARE_HIGH)} << {SQUARE_BITS}) + {total(Part.SQUARE_LOW)}"
            return f"deviation(end - start, {total()}, {squares}) if end - start > 1 else None"
        case Aggregate.MINIMUM:
            return f"min({window()}) if end > start else None"
        case Aggregate.MAXIMUM:
            return f"max({window()}) if end > start else None"
        case Aggregate.DISTINCT | Aggregate.LABEL_DISTINCT:
            return f"len(set({window()})) if end - start > 1 else end - start"
        case Aggregate.SECONDS_SINCE_FIRST:
            return f"(time - history[start]) / {SECOND} if end > start else None"
        case Aggregate.SECONDS_SINCE_LAST:
            return f"(time - history[end - 1]) / {SECOND} if end > start else None"
        case Aggregate.LABEL_SHARE:
            raise AssertionError("a share is the quotient of its parts")


def _add_source(adders: Mapping[int, "_Adder"]) -> Iterator[str]:
    yield "def add(event):"
    yield from _indented(_times(()), 4)
    yield from _indented(dict.fromkeys(f"{each.key} = {_key(each.series.key)}" for each in adders.values()), 4)
    yield from _indented(_identities(adders.values()), 4)
    for number, adder in adders.items():
        yield f"    history = histories{number}.get({adder.key})"
        yield "    if history.__class__ is array:"
        yield from _indented(_layout(adder.series), 8)
        yield from _indented(adder.extend(is_late="history[count - 1] > time"), 8)
        yield "    elif history is None:"
        yield from _indented(adder.begin(), 8)
        yield "    else:"
        yield from _indented(adder.extend_large(), 8)


def _identities(adders: Iterable["_Adder"]) -> Iterator[str]:
    """The identities of fields that every order has: several series share one."""
    for field in dict.fromkeys(field for adder in adders for field in adder.shared_identities):
        yield f"identity_{field} = identity({_field(field)})"


class _Adder:
    """Source that adds an order to the histories of a series; `key` is the variable of the order's key."""

    def __init__(self, number: int, series: Series, key: str) -> None:
        self.series = series
        self.key = key
        self.slowly = f"add_slowly{number}(event, time)"
        self.shared_identities = [
            column.field
            for column in series.columns
            if column.kind is ColumnKind.IDS and column.field not in OPTIONAL_FIELDS
        ]
        self._number = number
        self._conditions = [f"{_field(series.required)} is not None"] if series.required else []
        self._conditions += [f"counts{number}(event)"] if series.condition else []

    def extend(self, *, is_late: str) -> Iterator[str]:
        """Add to the short history of the key, of which `_layout` is known."""
        # The usual order is the newest of its key, and its values fit into 64 bits.
        entries, values = [], []
        unusual = [f"count >= {self.series.chunk - 1}"]
        for index, column in enumerate(self.series.columns, 1):
            if column.kind is ColumnKind.TOTALS:
                entries.append(f"entry{index} = {self._value(column)} + history[column{index} + count]")
                values.append(f"entry{index} - history[column{index} + count]")
            else:
                entries.append(f"entry{index} = {self._value(column)}")
                values.append(f"entry{index}")
            if column.can_outgrow:
                unusual.append(f"entry{index} > {LARGEST}")
        new_values = "".join(f"{value}, " for value in values)
        lines = [
            *entries,
            f"if {' or '.join(unusual)}:",
            f"    {self.slowly}",
            f"elif {is_late}:",
            f"    insert_late(history, kinds{self._number}, time, ({new_values}))",
            "else:",
        ]
        # From the last column to the first, so that each insertion leaves the places of the next ones as they are.
        for index, column in reversed(list(enumerate(self.series.columns, 1))):
            end = f"column{index} + count{' + 1' if column.kind is ColumnKind.TOTALS else ''}"
            is_last = index == len(self.series.columns)
            lines.append(f"    history.append(entry{index})" if is_last else f"    history.insert({end}, entry{index})")
        lines.append("    history.insert(count, time)" if self.series.columns else "    history.append(time)")
        return self._guarded(self._conditions, lines)

    def begin(self) -> Iterator[str]:
        """Begin a history of the key, if the order has it."""
        new = ["time"]
        for column in self.series.columns:
            new += ["0", self._value(column)] if column.kind is ColumnKind.TOTALS else [self._value(column)]
        lines = [
            "try:",
            # Copying an array and setting its entries takes a quarter of the time of an array of a tuple.
            f"    history = empty{len(new)}[:]",
            *(f"    history[{index}] = {value}" for index, value in enumerate(new) if value != "0"),
            f"    histories{self._number}[{self.key}] = history",
            "except OverflowError:",
            f"    {self.slowly}",
        ]
        has_key = [f"{self.key} is not None"] if _optional(self.series.key) else []
        return self._guarded([*has_key, *self._conditions], lines)

    def extend_large(self) -> Iterator[str]:
        """Add to a history of the key that is not short."""
        values = "".join(f"{self._value(column)}, " for column in self.series.columns)
        lines = [
            "if history.__class__ is LargeHistory:",
            f"    history.add(time, ({values}))",
            "else:",
            f"    {self.slowly}",
        ]
        return self._guarded(self._conditions, lines)

    def _guarded(self, conditions: Sequence[str], lines: Iterable[str]) -> Iterator[str]:
        """The lines, for an order that is in the series and can be in a history of one currency."""
        if conditions:
            yield f"if {' and '.join(conditions)}:"
            yield from _indented(self._guarded((), lines), 4)
        elif self.series.has_money:
            yield f"if {_CURRENCY} != {DEFAULT_CURRENCY!r}:"
            yield f"    {self.slowly}"
            yield "else:"
            yield from _indented(lines, 4)
        else:
            yield from lines

    def _value(self, column: ColumnSource) -> str:
        return f"identity_{column.field}" if column.field in self.shared_identities else _value(column)


def _layout(series: Series) -> Iterator[str]:
    """The number of orders in a short history, and where its columns begin."""
    kinds = series.kinds
    totals = totals_before(kinds, len(kinds) + 1)
    length = f"len(history) - {totals}" if totals else "len(history)"
    yield f"count = ({length}) // {len(kinds) + 1}" if kinds else f"count = {length}"
    for index in range(1, len(kinds) + 1):
        before = totals_before(kinds, index)
        yield f"column{index} = {f'{index} * ' if index > 1 else ''}count{f' + {before}' if before else ''}"


def _key_names(all_series: Iterable[Series]) -> dict[tuple[str, ...], str]:
    """The variable of each key: several series share one."""
    return {fields: f"key{number}" for number, fields in enumerate(dict.fromkeys(each.key for each in all_series))}


def _key(fields: Sequence[str]) -> str:
    """The key of an order, as an expression; None when it lacks a field."""
    values = [_field(name) for name in fields]
    if len(fields) == 1:
        return values[0]
    absent = " or ".join(f"{_field(name)} is None" for name in _optional(fields))
    key = f"({', '.join(values)})"
    return f"None if {absent} else {key}" if absent else key


def _optional(fields: Iterable[str]) -> list[str]:
    """Those of the fields that an order may lack."""
    return [name for name in fields if name in OPTIONAL_FIELDS or name.startswith(ATTRIBUTE)]


def _field(name: str) -> str:
    if name.startswith(ATTRIBUTE):
        return f"key_attribute(event[{POSITIONS['attributes']}], {name.removeprefix(ATTRIBUTE)!r})"
    return f"event[{POSITIONS[name]}]"


def _value(column: ColumnSource) -> str:
    value = f"event[{POSITIONS[column.field]}]"
    if column.kind is ColumnKind.IDS:
        return f"identity({value})"
    match column.part:
        case Part.SQUARE_LOW:
            return f"({value} * {value} & {(1 << SQUARE_BITS) - 1})"
        case Part.SQUARE_HIGH:
            return f"({value} * {value} >> {SQUARE_BITS})"
    return value


def _indented(lines: Iterable[str], spaces: int) -> Iterator[str]:
    return (" " * spaces + line for line in lines)
