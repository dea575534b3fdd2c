"""Seen offsets: what the feature state of a detector had read when it decided an order, in a few bytes.

One next offset for each partition of `orders`, in the order of partitions, each as an unsigned LEB128 number: seven
bits a byte, the last byte below 128. For the order's own partition it is 0, as everything before the order had been
read there, so the orders of one batch share their bytes. Where labels had been read, a 0 in two bytes follows, which is
no offset's encoding, then the epoch of topic `labels` and one next offset for each of its partitions. Postgres decodes
the two parts by its functions `seen_offsets` and `seen_labels`.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

_LABELS_FOLLOW: Final = b"\x80\x00"


class SeenLabels(NamedTuple):
    """The labels that had been read: the epoch of their topic, and its next offsets by partition."""

    epoch: int
    next_offsets: list[int]


def encode_seen(next_offsets: Mapping[int, int], own_partition: int) -> bytes:
    """The bytes for the next offsets by partition, from 0 to the highest that was read."""
    return _encode(0 if number == own_partition else offset for number, offset in enumerate(_dense(next_offsets)))


def encode_seen_labels(next_offsets: Mapping[int, int], epoch: int) -> bytes:
    """The bytes that follow those of `encode_seen`; none when no labels were read."""
    if epoch == 1 and not any(next_offsets.values()):
        return b""
    return _LABELS_FOLLOW + _encode([epoch, *_dense(next_offsets)])


def decode_seen(encoded: bytes, own_partition: int, own_offset: int) -> list[int]:
    """The next offsets, by partition; an order that was decided at `own_offset` had read its partition up to there."""
    before, _ = _decode(encoded)
    offsets = [*before]
    offsets += [0] * (own_partition + 1 - len(offsets))
    offsets[own_partition] = own_offset
    return offsets


def decode_seen_labels(encoded: bytes) -> SeenLabels | None:
    """The labels that had been read; None when there were none."""
    _, labels = _decode(encoded)
    return SeenLabels(labels[0], list(labels[1:])) if labels else None


def _dense(next_offsets: Mapping[int, int]) -> list[int]:
    return [next_offsets.get(partition, 0) for partition in range(max(next_offsets, default=-1) + 1)]


def _encode(numbers: Iterable[int]) -> bytes:
    encoded = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            encoded.append(rest & 0x7F | 0x80)
            rest >>= 7
        encoded.append(rest)
    return bytes(encoded)


@lru_cache(maxsize=1_000)
def _decode(encoded: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The numbers before and after the mark; kept, as the orders of one batch share their bytes."""
    before: list[int] = []
    after: list[int] = []
    numbers = before
    for number, length in _numbers(encoded):
        if not number and length > 1:
            numbers = after
        else:
            numbers.append(number)
    return tuple(before), tuple(after)


def _numbers(encoded: bytes) -> Iterator[tuple[int, int]]:
    """Each number, with how many bytes it takes."""
    number = length = 0
    for byte in encoded:
        number |= (byte & 0x7F) << 7 * length
        length += 1
        if byte < 0x80:
            yield number, length
            number = length = 0
