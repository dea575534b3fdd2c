"""The label event: a verdict on an order, made after it was decided."""

from collections.abc import Mapping
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


class LabelReason(StrEnum):
    """Why an order got its label. Each belongs to one kind of verdict: REASONS."""

    STOLEN_CARD = "stolen-card"
    ACCOUNT_TAKEOVER = "account-takeover"
    FAKE_ACCOUNT = "fake-account"
    VOUCHER_ABUSE = "voucher-abuse"
    RESELLER = "reseller"
    FRIENDLY_FRAUD = "friendly-fraud"
    """The buyer got the goods, and disputes the payment."""
    OTHER_FRAUD = "other-fraud"
    KNOWN_CUSTOMER = "known-customer"
    VERIFIED_WITH_CUSTOMER = "verified-with-customer"
    FALSE_ALARM = "false-alarm"
    OTHER_LEGITIMATE = "other-legitimate"


_LEGITIMATE: Final = (
    LabelReason.KNOWN_CUSTOMER,
    LabelReason.VERIFIED_WITH_CUSTOMER,
    LabelReason.FALSE_ALARM,
    LabelReason.OTHER_LEGITIMATE,
)
_FRAUD: Final = tuple(reason for reason in LabelReason if reason not in _LEGITIMATE)
REASONS: Final[Mapping[Label, tuple[LabelReason, ...]]] = {
    Label.FRAUD: _FRAUD,
    Label.LEGITIMATE: _LEGITIMATE,
    Label.CHARGEBACK: _FRAUD,
}
"""The reasons that each verdict can have."""


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
    reason: LabelReason | None = None


MAX_LABEL_TEXTS: Final = {
    "order_id": MAX_ID_LENGTH,
    "source": MAX_ID_LENGTH,
    "author": MAX_TEXT_LENGTH,
    "note": MAX_NOTE_LENGTH,
}
"""The most characters in each text of a label."""
