"""Where a message came from: what a dead letter is known by."""

import re
from typing import NamedTuple

_ORIGIN = re.compile(r"([A-Za-z0-9._-]{1,249})/([0-9]{1,9})/([0-9]{1,18})")


class Origin(NamedTuple):
    """A place on a topic, written `orders/3/12345`."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}"


def parse_origin(text: str) -> Origin:
    """The origin in a text. Raises ValueError, in words."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no origin like orders/3/12345 (topic, partition, offset)")
    return Origin(match[1], int(match[2]), int(match[3]))
