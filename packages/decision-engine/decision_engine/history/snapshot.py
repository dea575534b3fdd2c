"""Snapshots of histories: all of them as bytes, which a detector that starts reads again.

A sequence of frames: eight bytes with the length of the content, eight with its hash, and the content. For each series
come groups of short histories, each group as two frames: the keys with the number of integers of each history, and all
integers; an empty frame; then a frame for each history in chunks, and an empty frame. Integers have eight bytes in the
byte order of the machine.
"""

import sys
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice
from typing import Any, BinaryIO, Final

import msgspec
import xxhash

from decision_engine.history.columns import Column, History
from decision_engine.history.currency_histories import CurrencyHistories
from decision_engine.history.large_history import LargeHistory
from decision_engine.history.series import Key, Series

KEYS_AT_ONCE: Final = 100_000
LARGEST_FRAME: Final = 2**32
_BYTES: Final = 8


class SnapshotError(Exception):
    """A snapshot cannot be read: it is incomplete or damaged, or of other features."""


def write_histories(all_series: Iterable[Series], file: BinaryIO) -> None:
    """Write the histories of all series."""
    for series in all_series:
        short = (item for item in series.histories.items() if isinstance(item[1], array))
        while group := list(islice(short, KEYS_AT_ONCE)):
            keys, histories = zip(*group, strict=True)
            write_frame(file, msgspec.msgpack.encode((keys, array("q", map(len, histories)).tobytes())))
            write_frame(file, b"".join(histories))
        write_frame(file, b"")
        for key, history in series.histories.items():
            if not isinstance(history, array):
                write_frame(file, msgspec.msgpack.encode((key, _chunks_by_currency(history))))
        write_frame(file, b"")


def read_histories(all_series: Iterable[Series], file: BinaryIO) -> None:
    """Read what `write_histories` wrote into the same series, which have no histories yet. Raises SnapshotError."""
    for series in all_series:
        while frame := read_frame(file):
            keys, lengths = msgspec.msgpack.decode(frame)
            integers, start = _integers(read_frame(file)), 0
            for key, end in zip(map(_key, keys), accumulate(_integers(lengths)), strict=True):
                series.histories[key] = integers[start:end]
                start = end
        while frame := read_frame(file):
            key, by_currency = msgspec.msgpack.decode(frame)
            large = {
                currency: LargeHistory.of_chunks(
                    map(_columns, chunks), series.kinds, series.chunk, series.windows if currency is None else None
                )
                for currency, chunks in by_currency
            }
            orders = large.pop(None)
            series.histories[_key(key)] = (
                CurrencyHistories(series.kinds, series.chunk, orders, large) if large else orders
            )


def write_frame(file: BinaryIO, content: bytes) -> None:
    """Write a frame with this content."""
    file.write(len(content).to_bytes(_BYTES, sys.byteorder) + xxhash.xxh3_64_digest(content))
    file.write(content)


def read_frame(file: BinaryIO) -> bytes:
    """The content of the next frame. Raises SnapshotError."""
    head = file.read(2 * _BYTES)
    length = int.from_bytes(head[:_BYTES], sys.byteorder)
    content = file.read(length) if length <= LARGEST_FRAME else b""
    if xxhash.xxh3_64_digest(content) != head[_BYTES:]:
        raise SnapshotError("it is incomplete or damaged")
    return content


def _chunks_by_currency(history: LargeHistory | CurrencyHistories) -> list[tuple[str | None, list[list[Any]]]]:
    """The chunks of the orders of each currency; None for those of all currencies."""
    if isinstance(history, LargeHistory):
        return [(None, _chunks(history))]
    return [(None, _chunks(history.orders)), *((name, _chunks(own)) for name, own in history.by_currency.items())]


def _chunks(history: LargeHistory) -> list[list[Any]]:
    # Integers of more than 64 bits as text.
    return [
        [column.tobytes() if isinstance(column, array) else [str(number) for number in column] for column in chunk]
        for chunk in history.chunks()
    ]


def _columns(chunk: Sequence[Any]) -> History:
    def column(content: bytes | list[str]) -> Column:
        return _integers(content) if isinstance(content, bytes) else [int(number) for number in content]

    return tuple(column(content) for content in chunk)


def _integers(content: bytes) -> "array[int]":
    integers = array("q")
    integers.frombytes(content)
    return integers


def _key(decoded: Any) -> Key:
    return tuple(decoded) if isinstance(decoded, list) else decoded
