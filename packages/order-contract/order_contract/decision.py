"""The decision about an order, and the row of table `orders` that stores both."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypedDict

import orjson

from order_contract.event import OrderEvent, event_from_columns
from order_contract.feature_values import features_json
from order_contract.origin import Origin


class Outcome(StrEnum):
    """What to do with the order."""

    APPROVE = "approve"
    REVIEW = "review"
    DECLINE = "decline"


class Status(StrEnum):
    """The seed's words; an order is `fraud` exactly when its outcome is not `approve`."""

    GENUINE = "genuine"
    FRAUD = "fraud"


# Python 3.11 takes ten times as long to look up a member of an enumeration as a constant.
_APPROVE: Final = Outcome.APPROVE
_GENUINE: Final = Status.GENUINE
_FRAUD: Final = Status.FRAUD
_APPROVED_TEXTS: Final = str(Status.GENUINE), str(Outcome.APPROVE)
_FRAUD_TEXT: Final = str(Status.FRAUD)


def status_of(outcome: Outcome) -> Status:
    """The seed's word for an outcome."""
    return _GENUINE if outcome is _APPROVE else _FRAUD


SNOOZED: Final = "snoozed"
"""The mode of a hit of a rule that is snoozed for the order."""

CONTROL: Final = "control"
"""The mode of a live rule's hit on an order of the control group, which is approved although it would be flagged."""


class RuleHit(TypedDict):
    """One rule that fired, as it is stored in JSON; `reason` is a sentence with the values that mattered.

    A hit of mode `shadow` or `snoozed` is recorded and does not count in the risk score. One of mode `control` counts
    in it, and not in the outcome.
    """

    rule: str
    severity: str
    score: int
    mode: str
    reason: str


class Decision(NamedTuple):
    """A decision as the rules made it; `risk_score` is 0-100, `features` the derived values that the rules saw."""

    outcome: Outcome
    risk_score: int
    hits: Sequence[RuleHit]
    features: Mapping[str, object]
    ruleset_version: str

    @property
    def status(self) -> Status:
        return status_of(self.outcome)


class OrderRow(NamedTuple):
    """One row of table `orders`: the event, its decision, and where on the topic it came from.

    The fields are the table's columns (`stored_at` is the database's own). The JSON columns hold text
    and are of type json, not jsonb, so that what is read back is to the byte what was written. `seen` is what the
    detector's feature state had read (see `order_contract.seen`), None when its ruleset has no history features.
    `lists_seen` is the number of the last change of lists that it had applied, None when no list concerned the ruleset.
    """

    order_id: str
    user_id: str
    product_id: str
    quantity: int
    amount: int
    currency: str
    payment_method: str
    country: str
    created_date: datetime
    device_id: str | None
    ip_address: str | None
    voucher_code: str | None
    email: str | None
    shipping_country: str | None
    account_created_date: datetime | None
    attributes: str | None
    status: str
    outcome: str
    risk_score: int
    hits: str
    rule_ids: list[str] | None
    features: str
    ruleset_version: str
    decided_at: datetime
    seen: bytes | None
    lists_seen: int | None
    source_topic: str
    source_epoch: int
    source_partition: int
    source_offset: int
    appended_at: datetime

    @property
    def origin(self) -> Origin:
        """Where the order came from."""
        return Origin(self.source_topic, self.source_partition, self.source_offset, self.source_epoch)

    def event(self) -> OrderEvent:
        """The event that was decided, as it was decoded."""
        return event_from_columns(self[: len(OrderEvent._fields)])


DECISION_COLUMNS = OrderRow._fields[len(OrderEvent._fields) : OrderRow._fields.index("decided_at")]
"""The columns that hold a decision, `status` to `ruleset_version`."""


def decision_columns(decision: Decision) -> tuple[Any, ...]:
    """The values of DECISION_COLUMNS for a decision."""
    outcome, risk_score, hits, features, ruleset_version = decision
    # As plain text: to hash or format a member of an enumeration takes ten times as long.
    status_text, outcome_text = _APPROVED_TEXTS if outcome is _APPROVE else (_FRAUD_TEXT, str(outcome))
    return (
        status_text,
        outcome_text,
        risk_score,
        orjson.dumps(hits).decode() if hits else "[]",
        [hit["rule"] for hit in hits] if hits else None,
        features_json(features),
        ruleset_version,
    )
