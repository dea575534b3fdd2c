"""The message protocol: a consumed record of a topic."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol


class Message(Protocol):
    """A consumed message; aiokafka's `ConsumerRecord` is one."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970 at which the broker appended it."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


# Milliseconds up to the end of the year 9998: later ones have no datetime in every time zone.
_LAST_TIMESTAMP = 253_370_764_799_999


def append_time(timestamp: int, otherwise: datetime) -> datetime:
    """The time a message was appended, from its timestamp in milliseconds; `otherwise` where that is not a valid time.

    The broker sets the timestamps of topic `orders`. On a topic where producers set them, any number is possible.
    """
    if not 0 < timestamp <= _LAST_TIMESTAMP:
        return otherwise
    return datetime.fromtimestamp(timestamp / 1000, UTC)
