"""Positions on a topic: the next offset of every partition, as a tuple and as the id of an event.

(1234, 998, 0, 17)  <->  0:1234,1:998,2:0,3:17
"""

import re
from typing import Final

Position = tuple[int, ...]
"""The next offset of each partition, by partition number."""

# 18 digits fit into 64 bits.
ID_PATTERN: Final = r"[0-9]{1,5}:[0-9]{1,18}(?:,[0-9]{1,5}:[0-9]{1,18})*"
_ID = re.compile(ID_PATTERN)


def write_id(position: Position) -> str:
    """A position as an event's id."""
    return ",".join([f"{partition}:{offset}" for partition, offset in enumerate(position)])


def read_id(text: str) -> dict[int, int]:
    """Next offsets by partition. Raises ValueError for what is no id; of a partition named twice the smaller counts."""
    if not _ID.fullmatch(text):
        raise ValueError("is not an event's id like 0:1234,1:998 (next offset by partition)")
    offsets: dict[int, int] = {}
    for pair in text.split(","):
        partition, offset = map(int, pair.split(":"))
        offsets[partition] = min(offset, offsets.get(partition, offset))
    return offsets


def covers(later: Position, earlier: Position) -> bool:
    """Whether `later` is nowhere before `earlier`."""
    return all(one >= other for one, other in zip(later, earlier, strict=True))


def furthest(one: Position, other: Position) -> Position:
    """The later of both in each partition."""
    return tuple(map(max, one, other))
