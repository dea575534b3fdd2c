"""The corrected body of a redrive, as it comes in a request."""

import binascii
from base64 import b64decode
from typing import Any, Final

import orjson

from dead_letters.redrive import check_correction
from order_api.problems.orders import CorrectionRefused
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent

BASE64: Final = "base64"


def corrected(body: dict[str, Any] | str, encoding: str, decoder: EventDecoder) -> bytes:
    """The bytes to publish. Raises CorrectionRefused when they are no order event either."""
    value = _bytes(body, encoding)
    try:
        check_correction(value, decoder)
    except BadEvent as error:
        raise CorrectionRefused(str(error), error.error_type) from error
    return value


def _bytes(body: dict[str, Any] | str, encoding: str) -> bytes:
    try:
        if not isinstance(body, str):
            return orjson.dumps(body)
        return b64decode(body, validate=True) if encoding == BASE64 else body.encode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise CorrectionRefused(f"body cannot be read as {encoding}: {error}", "not-json") from error
