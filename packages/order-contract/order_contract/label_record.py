"""The record format of topic `labels`: key and value of a label event, and their decoding.

The key is the order_id, so that all labels of one order are in one partition: their offsets say which is newer.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from order_contract.business_time import parse_moment
from order_contract.decoding.invalid_json import describe_invalid_json
from order_contract.decoding.moment_text import EXAMPLE, describe_far_future, describe_invalid_moment
from order_contract.decoding.validating_decoder import Fault, join_faults, show_value
from order_contract.error_types import ErrorType
from order_contract.event import BadEvent, readable_id
from order_contract.label import MAX_LABEL_TEXTS, REASONS, Label, LabelEvent, LabelReason
from order_contract.nearest import nearest_name

_REQUIRED: Final = frozenset({"order_id", "label", "source", "at"})
_FIELDS: Final = {name: name for name in LabelEvent._fields}
_LABELS: Final = {str(label): str(label) for label in Label}
_MAX_ERROR_LENGTH: Final = 1_000
_MAX_MOMENT_LENGTH: Final = 64
_MAX_UNKNOWN_FIELDS: Final = 5
_CLOCK_SKEW: Final = timedelta(minutes=5)
_NO_TIME: Final = datetime(1970, 1, 1, tzinfo=UTC)


def label_key(order_id: str) -> bytes:
    """The key of an order's labels."""
    return order_id.encode()


def encode_label(event: LabelEvent) -> bytes:
    """The value of a label event; `reason` is left out when there is none, as earlier detectors reject the field."""
    values = event._asdict()
    if event.reason is None:
        del values["reason"]
    return orjson.dumps(values, option=orjson.OPT_UTC_Z)


def latest_verdict(appended_at: datetime) -> datetime:
    """The last moment that the verdict of a message can have been made: clocks differ by some minutes."""
    return appended_at + _CLOCK_SKEW


def decode_label(value: bytes | None, latest: datetime) -> LabelEvent:
    """The label event in a message's value; `latest` (aware) is the last moment that `at` may have.

    Raises BadEvent; nothing else, whatever the bytes.
    """
    if not value:
        raise BadEvent(ErrorType.EMPTY, "the message has no value")
    try:
        raw = orjson.loads(value)
    except orjson.JSONDecodeError:
        raise describe_invalid_json(value) from None
    if not isinstance(raw, dict):
        raise BadEvent(ErrorType.NOT_AN_OBJECT, f"must be one JSON object per message, got {show_value(raw)}")
    return parse_label(raw, latest)


def parse_label(raw: Mapping[str, Any], latest: datetime) -> LabelEvent:
    """The label event of named values, as from a JSON object or a line of CSV. Raises BadEvent, which names all faults.

    An optional field that is empty counts as absent.
    """
    faults: list[Fault] = []
    texts = {name: _read_text(raw, name, faults) for name in MAX_LABEL_TEXTS}
    label = _read_kind(raw, faults)
    reason = _read_reason(raw, label, faults)
    at = _read_moment(raw, latest, faults)
    unknown = [name for name in raw if name not in _FIELDS]
    faults += [_describe_unknown(name) for name in unknown[:_MAX_UNKNOWN_FIELDS]]
    if faults:
        raise BadEvent(
            faults[0].error_type,
            join_faults(faults, _MAX_ERROR_LENGTH),
            field=faults[0].field,
            fields=tuple(fault.field for fault in faults),
            order_id=readable_id(raw.get("order_id")),
        )
    return LabelEvent(
        texts["order_id"] or "", label or Label.FRAUD, texts["source"] or "", texts["author"], at, texts["note"], reason
    )


def _is_absent(raw: Mapping[str, Any], field: str) -> bool:
    return raw.get(field) is None or (raw[field] == "" and field not in _REQUIRED)


def _read_text(raw: Mapping[str, Any], field: str, faults: list[Fault]) -> str | None:
    longest = MAX_LABEL_TEXTS[field]
    expected = f"must be a text of 1 to {longest:,} characters"
    value = raw.get(field)
    if _is_absent(raw, field):
        if field in _REQUIRED:
            faults.append(Fault(ErrorType.MISSING_FIELD, field, f"{field} is missing; it {expected}"))
        return None
    if type(value) is not str or not 1 <= len(value) <= longest:
        faults.append(Fault(ErrorType.BAD_VALUE, field, f"{field} {expected}, got {show_value(value)}"))
        return None
    if "\0" in value:
        problem = f"{field} holds a NUL character, which no database stores"
        faults.append(Fault(ErrorType.NOT_STORABLE, field, problem))
        return None
    return value


def _read_kind(raw: Mapping[str, Any], faults: list[Fault]) -> Label | None:
    """The label; None where that is a fault."""
    value = raw.get("label")
    if type(value) is str and value in _LABELS:
        return Label(value)
    expected = f"must be one of {', '.join(Label)}"
    if value is None:
        faults.append(Fault(ErrorType.MISSING_FIELD, "label", f"label is missing; it {expected}"))
    else:
        faults.append(_describe_other("label", value, expected, _LABELS))
    return None


def _read_reason(raw: Mapping[str, Any], label: Label | None, faults: list[Fault]) -> LabelReason | None:
    if _is_absent(raw, "reason"):
        return None
    value = raw["reason"]
    reasons = tuple(LabelReason) if label is None else REASONS[label]
    if type(value) is str and value in reasons:
        return LabelReason(value)
    expected = f"must be one of {', '.join(reasons)}" + ("" if label is None else f" for the label {label}")
    faults.append(_describe_other("reason", value, expected, {str(reason): str(reason) for reason in reasons}))
    return None


def _describe_other(field: str, value: object, expected: str, names: dict[str, str]) -> Fault:
    nearest = nearest_name(value.strip().lower()[:64], names) if type(value) is str else None
    hint = f": write {nearest}" if nearest else ""
    return Fault(ErrorType.BAD_VALUE, field, f"{field} {expected}, got {show_value(value)}{hint}")


def _read_moment(raw: Mapping[str, Any], latest: datetime, faults: list[Fault]) -> datetime:
    value = raw.get("at")
    if value is None:
        problem = f"at is missing; it must be a date and time like {EXAMPLE}"
        faults.append(Fault(ErrorType.MISSING_FIELD, "at", problem))
        return _NO_TIME
    try:
        moment = parse_moment(value) if type(value) is str and len(value) <= _MAX_MOMENT_LENGTH else None
    except ValueError:
        moment = None
    if moment is None:
        problem = (
            f"at must be a date and time like {EXAMPLE}, got {show_value(value)}: {describe_invalid_moment(value)}"
        )
        faults.append(Fault(ErrorType.BAD_VALUE, "at", problem))
    elif moment > latest:
        problem = f"at must not be in the future, got {show_value(value)}: {describe_far_future(moment, latest)}"
        faults.append(Fault(ErrorType.BAD_VALUE, "at", problem))
    return moment or _NO_TIME


def _describe_unknown(name: str) -> Fault:
    nearest = nearest_name(name[:64], _FIELDS)
    hint = f"write {nearest}" if nearest else f"there are {', '.join(_FIELDS)}"
    shown = name[:64].replace("\0", "\\u0000")
    return Fault(ErrorType.BAD_VALUE, shown, f"{show_value(name)} is not a field of a label; {hint}")
