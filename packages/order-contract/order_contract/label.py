"""The label event: a verdict on an order, made after it was decided."""

from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from order_contract.event import MAX_ID_LENGTH, MAX_TEXT_LENGTH

MAX_NOTE_LENGTH: Final = 2_000


class Label(StrEnum):
    """What an order turned out to be."""

    FRAUD = "fraud"
    LEGITIMATE = "legitimate"
    CHARGEBACK = "chargeback"


class LabelEvent(NamedTuple):
    """One label of one order. An order may get several; the one that arrived last is its current label.

    `source` names the kind of process that it comes from (`analyst`, `bank`), `author` the person or program. `at` is
    when the verdict was made, in UTC.
    """

    order_id: str
    label: Label
    source: str
    author: str | None
    at: datetime
    note: str | None


MAX_LABEL_TEXTS: Final = {
    "order_id": MAX_ID_LENGTH,
    "source": MAX_ID_LENGTH,
    "author": MAX_TEXT_LENGTH,
    "note": MAX_NOTE_LENGTH,
}
"""The most characters in each text of a label."""
