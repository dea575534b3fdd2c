"""The origin of a message: topic, epoch, partition and offset. It identifies orders and dead letters."""

import re
from typing import NamedTuple

_ORIGIN = re.compile(r"([A-Za-z0-9._-]{1,249})(?:@([1-9][0-9]{0,8}))?/([0-9]{1,9})/([0-9]{1,18})")


class Origin(NamedTuple):
    """A place on a topic, written `orders/3/12345`.

    `epoch` distinguishes topics of the same name: it is 1 for the first, and one more each time that the topic was
    deleted and created again; `orders@2/3/12345` is a place on the second.
    """

    topic: str
    partition: int
    offset: int
    epoch: int = 1

    def __str__(self) -> str:
        topic = self.topic if self.epoch == 1 else f"{self.topic}@{self.epoch}"
        return f"{topic}/{self.partition}/{self.offset}"


def parse_origin(text: str) -> Origin:
    """Parse `topic@epoch/partition/offset`, where `@epoch` may be left out. Raises ValueError with a full sentence."""
    match = _ORIGIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a valid origin; write it as orders/3/12345 (topic, partition, offset)")
    return Origin(match[1], int(match[3]), int(match[4]), int(match[2] or 1))
