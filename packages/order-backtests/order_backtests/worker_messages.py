"""Messages between the API and the process of its own that runs a backtest: one JSON document per line."""

from datetime import datetime
from typing import Final, TypeAlias

import msgspec

LONGEST_MESSAGE: Final = 32 * 1024 * 1024


class Task(msgspec.Struct, frozen=True):
    """What the process is to do: rulesets by their name and content, and its bounds."""

    database_url: str
    orders_topic: str
    labels_topic: str
    since: datetime
    until: datetime
    name: str
    content: str
    against_name: str | None
    against: str | None
    megabytes: int
    most_history: int | None = None
    """Not None: recorded features are taken where they serve, else at most so many orders are read before the span."""


class Started(msgspec.Struct, frozen=True, tag="started"):
    """The number of orders to decide is known."""

    orders: int


class Decided(msgspec.Struct, frozen=True, tag="decided"):
    """So many orders were decided since the last message."""

    orders: int


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """The report: as JSON, and as an HTML page."""

    report: msgspec.Raw
    page: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The reason why the report is missing, as a sentence."""

    message: str


Message: TypeAlias = Started | Decided | Finished | Failed
