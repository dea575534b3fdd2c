"""A message of a topic, as far as it is looked at."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol


class Message(Protocol):
    """A message as consumed; aiokafka's `ConsumerRecord` is one."""

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
    """When a message was appended, by its timestamp in milliseconds; `otherwise` where it has none that is a time.

    The broker stamps topic `orders`. On a topic where producers do, any number may come.
    """
    if not 0 < timestamp <= _LAST_TIMESTAMP:
        return otherwise
    return datetime.fromtimestamp(timestamp / 1000, UTC)
