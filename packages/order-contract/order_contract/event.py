"""The order event: the decoded and normalised message of topic `orders`."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from order_contract.error_types import ErrorType

MAX_ID_LENGTH = 64
MAX_TEXT_LENGTH = 320  # the longest e-mail address; also for device and voucher
MAX_INT64 = 2**63 - 1


class BadEvent(ValueError):
    """A message that is not a valid order or label event: bad data, for the dead-letter topic.

    `field` is the first field at fault or None, `fields` are all of them, `order_id` is the order it claims to be where
    that could be read. The text names fields and values for a person.
    """

    def __init__(
        self,
        error_type: ErrorType,
        message: str,
        *,
        field: str | None = None,
        fields: tuple[str, ...] = (),
        order_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.field = None if field is None else field[:MAX_ID_LENGTH]
        self.fields = fields
        self.order_id = order_id


class OrderEvent(NamedTuple):
    """One order as placed, normalised; the fields are columns of table `orders`, in this order.

    `amount` counts the currency's everyday smallest unit; times are in UTC; `attributes` holds the fields
    that the contract does not know, None when there are none.
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
    attributes: dict[str, Any] | None


def event_from_columns(columns: Sequence[Any]) -> OrderEvent:
    """The event of its columns, in the order of the fields; `attributes` is JSON text or None."""
    attributes = columns[-1]
    # The same as the constructor, in a third of its time.
    return tuple.__new__(OrderEvent, columns if attributes is None else (*columns[:-1], orjson.loads(attributes)))


FIELDS = frozenset(OrderEvent._fields) - {"attributes"}


def fingerprint(event: OrderEvent) -> str:
    """32 hex characters, equal exactly when two events have the same content: a duplicate, not a conflict."""
    content = event if event.attributes is None else event._replace(attributes=same_numbers(event.attributes))
    return hashlib.blake2b(orjson.dumps(tuple(content), option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def same_numbers(value: Any) -> Any:
    """Give each number of a JSON value one spelling: 1.0 and 1e0 become 1, and -0.0 becomes 0."""
    if type(value) is float:
        return int(value) if value.is_integer() and abs(value) <= MAX_INT64 else value
    if type(value) is dict:
        return {name: same_numbers(member) for name, member in value.items()}
    if type(value) is list:
        return [same_numbers(member) for member in value]
    return value


def readable_id(value: object) -> str | None:
    """`value` when it is a valid identifier, else None."""
    if type(value) is str and 0 < len(value) <= MAX_ID_LENGTH and "\0" not in value:
        return value
    return None


def read_claimed_id(value: bytes | None, field: str) -> str | None:
    """The id that a message claims in `field`, None when none can be read."""
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return readable_id(fields.get(field)) if isinstance(fields, dict) else None
