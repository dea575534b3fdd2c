"""Seen offsets: what the feature state of a detector had read when it decided an order, in a few bytes.

One next offset for each partition of `orders`, in the order of partitions, each as an unsigned LEB128 number: seven
bits a byte, the last byte below 128. For the order's own partition it is 0, as everything before the order had been
read there, so the orders of one batch share their bytes. Postgres decodes them by its function `seen_offsets`.
"""

from collections.abc import Mapping


def encode_seen(next_offsets: Mapping[int, int], own_partition: int) -> bytes:
    """The bytes for the next offsets by partition, from 0 to the highest that was read."""
    encoded = bytearray()
    for partition in range(max(next_offsets, default=-1) + 1):
        number = 0 if partition == own_partition else next_offsets.get(partition, 0)
        while number > 0x7F:
            encoded.append(number & 0x7F | 0x80)
            number >>= 7
        encoded.append(number)
    return bytes(encoded)


def decode_seen(encoded: bytes, own_partition: int, own_offset: int) -> list[int]:
    """The next offsets, by partition; an order that was decided at `own_offset` had read its partition up to there."""
    offsets: list[int] = []
    number = shift = 0
    for byte in encoded:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            offsets.append(number)
            number = shift = 0
    offsets += [0] * (own_partition + 1 - len(offsets))
    offsets[own_partition] = own_offset
    return offsets
