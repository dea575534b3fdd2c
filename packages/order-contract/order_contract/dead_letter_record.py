"""The record format of the dead-letter topic: key, headers and value; and the headers of a redriven message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from order_contract.error_types import ErrorType
from order_contract.message import Message
from order_contract.origin import Origin

Headers: TypeAlias = Sequence[tuple[str, bytes]]

ERROR_TYPE: Final = "error_type"
ERROR: Final = "error"
_ERROR_FIELD: Final = "error_field"
_ERROR_FIELDS: Final = "error_fields"
_ORDER_ID: Final = "order_id"
_ORIGIN: Final = "origin_"
_ORIGINAL_KEY: Final = "origin_key"
_ORIGINAL_HEADER: Final = "original."
_FINGERPRINTS: Final = ("fingerprint_stored", "fingerprint_rejected")
_REDRIVEN_FROM: Final = "redriven_from"
_REDRIVE_ATTEMPT: Final = "redrive_attempt"


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message that is bad data or a conflict, with the error; `message` keeps the original bytes.

    `field` is the first field at fault, `fields` are all of them, where fields are at fault at all.
    `order_id` is the order it claims to be, where that could be read. For a conflict, `fingerprints` are those of
    the event that is stored and of this one. `epoch` distinguishes topics of the same name: see `Origin`.
    """

    message: Message
    error_type: ErrorType
    error: str
    field: str | None = None
    order_id: str | None = None
    fingerprints: tuple[str, str] | None = None
    fields: tuple[str, ...] = ()
    epoch: int = 1

    @property
    def origin(self) -> Origin:
        """Where the message came from."""
        return Origin(self.message.topic, self.message.partition, self.message.offset, self.epoch)


def dead_letter_key(origin: Origin) -> bytes:
    """The key of a dead letter: its origin, so that publishing it again gives the same key."""
    return str(origin).encode()


def dead_letter_headers(rejected: RejectedMessage) -> list[tuple[str, bytes]]:
    """The error, the origin, and the original key and headers (those prefixed `original.`)."""
    message = rejected.message
    headers = [
        (ERROR_TYPE, rejected.error_type.encode()),
        (ERROR, rejected.error.encode()),
        (f"{_ORIGIN}topic", message.topic.encode()),
        (f"{_ORIGIN}epoch", str(rejected.epoch).encode()),
        (f"{_ORIGIN}partition", str(message.partition).encode()),
        (f"{_ORIGIN}offset", str(message.offset).encode()),
        (f"{_ORIGIN}timestamp", str(message.timestamp).encode()),
    ]
    if rejected.field is not None:
        headers.append((_ERROR_FIELD, rejected.field.encode()))
    if rejected.fields:
        # A JSON list: a field that the contract does not know may have any name.
        headers.append((_ERROR_FIELDS, orjson.dumps(rejected.fields)))
    if rejected.order_id is not None:
        headers.append((_ORDER_ID, rejected.order_id.encode()))
    if rejected.fingerprints is not None:
        headers += zip(_FINGERPRINTS, map(str.encode, rejected.fingerprints), strict=True)
    if message.key is not None:
        headers.append((_ORIGINAL_KEY, message.key))
    headers += [(f"{_ORIGINAL_HEADER}{name}", value) for name, value in message.headers]
    return headers


def original_key(headers: Headers) -> bytes | None:
    """The key of the original message."""
    return dict(headers).get(_ORIGINAL_KEY)


def original_headers(headers: Headers) -> tuple[tuple[str, bytes], ...]:
    """The headers of the original message."""
    return tuple(
        (name.removeprefix(_ORIGINAL_HEADER), value) for name, value in headers if name.startswith(_ORIGINAL_HEADER)
    )


def redrive_headers(original: Headers, origin: Origin, attempt: int) -> list[tuple[str, bytes]]:
    """The headers of a message on topic `orders` that was redriven: the original ones, its origin and the attempt."""
    kept = [(name, value) for name, value in original if name not in {_REDRIVEN_FROM, _REDRIVE_ATTEMPT}]
    return [*kept, (_REDRIVEN_FROM, str(origin).encode()), (_REDRIVE_ATTEMPT, str(attempt).encode())]
