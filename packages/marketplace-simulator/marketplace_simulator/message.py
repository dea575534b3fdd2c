"""What goes to the topic, and what is known about it besides."""

from datetime import datetime
from typing import NamedTuple


class Message(NamedTuple):
    """One message: `name` is what reports call it by, an order id or a line number.

    `pattern` is the fraud pattern it belongs to, the truth that never goes to the topic; `created` the event's time
    where the pace depends on it.
    """

    key: bytes | None
    value: bytes
    name: str
    pattern: str | None = None
    created: datetime | None = None
