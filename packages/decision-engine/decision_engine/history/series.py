"""Series: the histories of all values of one key, and the features that are read from them."""

import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NamedTuple, Union

import xxhash

from decision_engine.history.columns import (
    ColumnKind,
    History,
    Kinds,
    delete,
    delete_first,
    find,
    insert,
    new_history,
    orders_of,
)
from decision_engine.history.currency_histories import CurrencyHistories
from decision_engine.history.declaration import ATTRIBUTE, OVER_TEXTS, Aggregate, HistoryFeature
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.short_history import pack, unpack
from order_contract.event import OrderEvent
from order_contract.money import DEFAULT_CURRENCY

POSITIONS: Final = {name: position for position, name in enumerate(OrderEvent._fields)}
"""The position of each field in an event."""

NO_HORIZON: Final = -(2**63)
"""A time before any other."""

Key = str | tuple[str, ...]

KeyHistory = Union["array[int]", LargeHistory, CurrencyHistories]
"""A short history, one in chunks, or one with several currencies."""

_KINDS: Final = {
    Aggregate.SUM: ColumnKind.TOTALS,
    Aggregate.AVERAGE: ColumnKind.TOTALS,
    Aggregate.RATIO_TO_AVERAGE: ColumnKind.TOTALS,
    Aggregate.DEVIATION: ColumnKind.TOTALS,
    Aggregate.MINIMUM: ColumnKind.VALUES,
    Aggregate.MAXIMUM: ColumnKind.VALUES,
    Aggregate.DISTINCT: ColumnKind.IDS,
    Aggregate.LABEL_DISTINCT: ColumnKind.IDS,
}


UNIX_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - UNIX_EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def identity(text: str) -> int:
    """A 64-bit integer for a text: two texts have the same one with a probability of 1 in 2^64."""
    return xxhash.xxh3_64_intdigest(text.encode()) - 2**63


def field_of(event: OrderEvent, name: str) -> Any:
    """The value of a field, or of an attribute as `attributes.name`; None when the order lacks it."""
    if name.startswith(ATTRIBUTE):
        return key_attribute(event.attributes, name.removeprefix(ATTRIBUTE))
    return event[POSITIONS[name]]


def key_attribute(attributes: Mapping[str, Any] | None, name: str) -> str | int | None:
    """The attribute of this name; None when there is none, or it is neither text nor an integer."""
    value = attributes.get(name) if attributes else None
    return value if type(value) is str or type(value) is int else None


SQUARE_BITS: Final = 50
"""A square is added up in two columns, its lowest bits and the others: sums of squared amounts need more than 64."""


KEY_BYTES: Final = 150
PAIR_BYTES: Final = 50
"""What a key takes besides its history: its text, the entry in the dictionary, what the allocator wastes; and what a
key of two fields takes besides that. Measured: 101 to 108 bytes for texts of ten characters, 175 for pairs, and 172 on
average of the marketplace pack's histories, where memory is in pieces.
"""


class Kept(NamedTuple):
    """What a series keeps: its size in bytes, about, and the time of its oldest order."""

    size: int
    oldest: int


class Part(Enum):
    """What a column has of a field's value."""

    VALUE = "value"
    SQUARE_LOW = "low bits of the square"
    SQUARE_HIGH = "high bits of the square"


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """What a column is filled with: a field of the event, or a part of its square."""

    kind: ColumnKind
    field: str
    part: Part = Part.VALUE

    @property
    def can_outgrow(self) -> bool:
        """Whether an entry may not fit into 64 bits: identities always do."""
        return self.kind is not ColumnKind.IDS

    def value(self, event: OrderEvent) -> int:
        """The value for an order."""
        value: Any = event[POSITIONS[self.field]]
        if self.kind is ColumnKind.IDS:
            return identity(value)
        match self.part:
            case Part.SQUARE_LOW:
                return int(value * value & (1 << SQUARE_BITS) - 1)
            case Part.SQUARE_HIGH:
                return int(value * value >> SQUARE_BITS)
        return int(value)


@dataclass(slots=True)
class Series:
    """The orders that have the fields of `key`, by the values of these fields.

    `required` is an optional field that an order must have to be in the series, and `condition` what must hold for it;
    `where` is its text, with the `constants` in it. A series with a `label` holds only orders that were labelled so. A
    history of `chunk` orders is kept in chunks of about so many. Features are in the order of their windows, shortest
    first.
    """

    key: tuple[str, ...]
    required: str | None
    chunk: int
    where: str | None = None
    condition: Callable[[OrderEvent], bool] | None = None
    label: str | None = None
    constants: tuple[tuple[str, type, object], ...] = ()
    features: list[HistoryFeature] = field(default_factory=list)
    columns: list[ColumnSource] = field(default_factory=list)
    histories: dict[Key, KeyHistory] = field(default_factory=dict)
    forgotten: int = NO_HORIZON
    """Orders up to this time may have been forgotten."""
    retained: int = 0
    """Orders are kept for as long as a window of this length needs, though no feature may have such a window."""

    def has_orders_of(self, other: "Series") -> bool:
        """Whether another series holds the same orders by the same key."""
        own, wanted = (
            (each.key, each.required, each.where, each.constants, each.label, each.chunk) for each in (self, other)
        )
        return own == wanted

    def can_share(self, other: "Series") -> bool:
        """Whether the histories of another series serve this one: the same orders and columns, for as long."""
        own, others = ((each.columns, each.windows, each.has_money) for each in (self, other))
        return self.has_orders_of(other) and own == others and self.features[-1].window <= other.kept_window

    @property
    def kept_window(self) -> int:
        """The longest window for which orders are kept."""
        return max(self.features[-1].window, self.retained)

    @property
    def has_money(self) -> bool:
        """Whether one of its features is computed from amounts."""
        return any(feature.is_money for feature in self.features)

    @property
    def kinds(self) -> Kinds:
        """The kinds of the columns after the times."""
        return [column.kind for column in self.columns]

    @property
    def windows(self) -> Mapping[int, Collection[int]]:
        """The windows in which different ids are counted, by column."""
        windows: dict[int, set[int]] = {}
        for feature in self.features:
            if feature.aggregate in OVER_TEXTS:
                windows.setdefault(self.column(feature), set()).add(feature.window)
        return windows

    def declare(self, feature: HistoryFeature) -> None:
        """Add a feature, with the columns that it needs."""
        self.features.append(feature)
        self.features.sort(key=lambda each: each.window)
        kind = _KINDS.get(feature.aggregate)
        if kind is not None and feature.field is not None:
            self._need(ColumnSource(kind, feature.field))
            if feature.aggregate is Aggregate.DEVIATION:
                self._need(ColumnSource(kind, feature.field, Part.SQUARE_LOW))
                self._need(ColumnSource(kind, feature.field, Part.SQUARE_HIGH))

    def _need(self, column: ColumnSource) -> None:
        if column not in self.columns:
            self.columns.append(column)

    def column(self, feature: HistoryFeature, part: Part = Part.VALUE) -> int:
        """The index of the column that a feature reads, in a history."""
        assert feature.field is not None
        return 1 + self.columns.index(ColumnSource(_KINDS[feature.aggregate], feature.field, part))

    def key_of(self, event: OrderEvent) -> Key | None:
        """The key under which an order is in the series; None when it is not in it."""
        if self.required is not None and event[POSITIONS[self.required]] is None:
            return None
        if self.condition is not None and not self.condition(event):
            return None
        fields = [field_of(event, name) for name in self.key]
        if None in fields:
            return None
        return tuple(fields) if len(fields) > 1 else fields[0]

    def values_of(self, event: OrderEvent) -> list[int]:
        """The values of an order in the columns."""
        return [column.value(event) for column in self.columns]

    def add(self, event: OrderEvent, time: int) -> None:
        """Add an order to the history of its key, if it has one."""
        key = self.key_of(event)
        if key is None:
            return
        history, values = self.histories.get(key), self.values_of(event)
        if isinstance(history, CurrencyHistories) or not self._is_usual(event):
            mixed = self._by_currency(history)
            self.histories[key] = mixed
            mixed.add(event.currency, time, values)
        elif isinstance(history, LargeHistory):
            history.add(time, values)
        elif history is None:
            self._keep(key, new_history(self.kinds, time, values))
        else:
            columns = unpack(history, self.kinds)
            self._keep(key, insert(columns, self.kinds, bisect_right(columns[0], time), time, values))

    def _keep(self, key: Key, columns: History) -> None:
        """Keep the orders of a key, if there are any: as a short history if there are few, and their values fit."""
        if not columns[0]:
            del self.histories[key]
            return
        packed = pack(columns) if len(columns[0]) < self.chunk else None
        if packed is None:
            self.histories[key] = LargeHistory.of_chunks([columns], self.kinds, self.chunk, self.windows)
        else:
            self.histories[key] = packed

    def remove(self, event: OrderEvent, time: int) -> None:
        """Remove an order that was added before. Raises LookupError."""
        key = self.key_of(event)
        if key is None:
            return
        history, values = self.histories.get(key), self.values_of(event)
        if isinstance(history, CurrencyHistories):
            removed = history.remove(event.currency, time, values)
        elif not self._is_usual(event) or history is None:
            removed = False
        elif isinstance(history, LargeHistory):
            removed = history.remove(time, values)
        else:
            columns = unpack(history, self.kinds)
            index = find(columns, self.kinds, time, values)
            removed = index is not None
            if index is not None:
                delete(columns, self.kinds, index)
                self._keep(key, columns)
        if not removed or history is None:
            if time <= self.forgotten:
                return
            raise LookupError(f"no order of {key} at {time} with the values {tuple(values)}")
        if not isinstance(history, array) and not len(history):
            del self.histories[key]

    def forget(self, time: int) -> Generator[None, None, Kept]:
        """Delete the orders up to a time, and return what is kept.

        Yields after each key, and within those with many orders, so that it can be spread.
        """
        self.forgotten = max(self.forgotten, time)
        size, oldest = 0, 2**63
        key_bytes = KEY_BYTES + PAIR_BYTES * (len(self.key) - 1)
        for key in list(self.histories):
            history = self.histories.get(key)
            if isinstance(history, array):
                if history[0] <= time:
                    columns = unpack(history, self.kinds)
                    delete_first(columns, bisect_right(columns[0], time))
                    self._keep(key, columns)
            elif history is not None:
                yield from history.forget(time)
            history = self.histories.get(key)
            if history is not None and not len(history):
                del self.histories[key]
                history = None
            if isinstance(history, array):
                size += key_bytes + sys.getsizeof(history)
                oldest = min(oldest, history[0])
            elif history is not None:
                size += key_bytes + history.size()
                oldest = min(oldest, history.oldest)
            yield
        return Kept(size, oldest)

    def _is_usual(self, event: OrderEvent) -> bool:
        """Whether an order can be in a history of one currency."""
        return not self.has_money or event.currency == DEFAULT_CURRENCY

    def _by_currency(self, history: KeyHistory | None) -> CurrencyHistories:
        if isinstance(history, CurrencyHistories):
            return history
        mixed = CurrencyHistories.empty(self.kinds, self.chunk, self.windows)
        for chunk in self._chunks(history):
            for time, values in orders_of(chunk, self.kinds):
                mixed.add(DEFAULT_CURRENCY, time, values)
        return mixed

    def _chunks(self, history: "array[int] | LargeHistory | None") -> Iterable[History]:
        if history is None:
            return ()
        return history.chunks() if isinstance(history, LargeHistory) else (unpack(history, self.kinds),)
