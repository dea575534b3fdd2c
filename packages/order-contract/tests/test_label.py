"""Label events: their record on topic `labels`, and what the decoder says about bad ones."""

import contextlib
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.error_types import ErrorType
from order_contract.event import BadEvent
from order_contract.label import MAX_LABEL_TEXTS, REASONS, Label, LabelEvent, LabelReason
from order_contract.label_record import decode_label, encode_label, label_key

LATEST = datetime(2026, 11, 30, tzinfo=UTC)
EVENT = LabelEvent(
    "01M7", Label.CHARGEBACK, "bank", "cards@bank.example", datetime(2026, 11, 29, 3, 0, 1, 250_000, UTC), "reason 4837"
)
RAW = {"order_id": "01M7", "label": "fraud", "source": "analyst", "at": "2026-11-29T10:00:00+07:00"}

_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=64)
_events = st.builds(
    LabelEvent,
    order_id=_texts,
    label=st.sampled_from(Label),
    source=_texts,
    author=st.none() | _texts,
    at=st.datetimes(datetime(1970, 1, 2), datetime(2026, 11, 29), timezones=st.just(UTC)),  # noqa: DTZ001
    note=st.none() | _texts,
)


@given(_events, st.data())
def test_an_encoded_label_decodes_to_itself(event: LabelEvent, data: st.DataObject) -> None:
    event = event._replace(reason=data.draw(st.none() | st.sampled_from(REASONS[event.label])))
    assert decode_label(encode_label(event), LATEST) == event


def test_each_reason_belongs_to_one_kind_of_verdict() -> None:
    assert {*REASONS[Label.FRAUD], *REASONS[Label.LEGITIMATE]} == set(LabelReason)
    assert not {*REASONS[Label.FRAUD]} & {*REASONS[Label.LEGITIMATE]}
    assert REASONS[Label.CHARGEBACK] == REASONS[Label.FRAUD]


def test_a_label_is_an_object_with_the_names_of_its_fields() -> None:
    assert orjson.loads(encode_label(EVENT)) == {
        "order_id": "01M7",
        "label": "chargeback",
        "source": "bank",
        "author": "cards@bank.example",
        "at": "2026-11-29T03:00:01.250000Z",
        "note": "reason 4837",
    }
    assert label_key(EVENT.order_id) == b"01M7"


def test_author_and_note_are_optional_and_times_become_utc() -> None:
    event = decode_label(orjson.dumps({**RAW, "note": ""}), LATEST)

    assert event == LabelEvent("01M7", Label.FRAUD, "analyst", None, datetime(2026, 11, 29, 3, tzinfo=UTC), None)


@pytest.mark.parametrize("field", ["order_id", "label", "source", "at"])
def test_a_missing_field_is_named(field: str) -> None:
    raw = {name: value for name, value in RAW.items() if name != field}

    with pytest.raises(BadEvent, match=f"^{field} is missing; it must be ") as raised:
        decode_label(orjson.dumps(raw), LATEST)

    assert (raised.value.error_type, raised.value.field) == (ErrorType.MISSING_FIELD, field)
    assert raised.value.order_id == raw.get("order_id")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("label", "Fraud", 'label must be one of fraud, legitimate, chargeback, got "Fraud": write fraud'),
        ("label", "charge-back", 'got "charge-back": write chargeback'),
        ("label", 1, "label must be one of fraud, legitimate, chargeback, got 1"),
        ("label", ["fraud"], 'got ["fraud"]'),
        ("order_id", "", 'order_id must be a text of 1 to 64 characters, got ""'),
        ("order_id", 7, "order_id must be a text of 1 to 64 characters, got 7"),
        ("note", {"a": 1}, 'note must be a text of 1 to 2,000 characters, got {"a":1}'),
        ("at", "yesterday", 'at must be a date and time like 2026-11-22T10:15:00+07:00, got "yesterday"'),
        ("at", 1_764_000_000, "got 1764000000"),
        ("at", "2027-11-29T10:00:00Z", "at must not be in the future"),
        ("notes", "x", '"notes" is not a field of a label; write note'),
        ("verdict", "x", "there are order_id, label, source, author, at, note, reason"),
        ("reason", "Stolen-card", 'for the label fraud, got "Stolen-card": write stolen-card'),
        ("reason", "false-alarm", 'other-fraud for the label fraud, got "false-alarm"'),
        ("reason", 1, "reason must be one of stolen-card, "),
    ],
)
def test_a_bad_value_is_named_and_shown(field: str, value: object, problem: str) -> None:
    with pytest.raises(BadEvent) as raised:
        decode_label(orjson.dumps({**RAW, field: value}), LATEST)

    assert problem in str(raised.value)
    assert (raised.value.error_type, raised.value.field) == (ErrorType.BAD_VALUE, field)


@pytest.mark.parametrize("field", MAX_LABEL_TEXTS)
def test_texts_have_a_bound_and_no_nul(field: str) -> None:
    longest = "x" * MAX_LABEL_TEXTS[field]
    assert getattr(decode_label(orjson.dumps({**RAW, field: longest}), LATEST), field) == longest
    for value, error_type in ((longest + "x", ErrorType.BAD_VALUE), ("a\0b", ErrorType.NOT_STORABLE)):
        with pytest.raises(BadEvent) as raised:
            decode_label(orjson.dumps({**RAW, field: value}), LATEST)
        assert (raised.value.error_type, raised.value.field) == (error_type, field)


def test_all_faults_are_named() -> None:
    with pytest.raises(BadEvent) as raised:
        decode_label(b'{"order_id":"o1","label":"bad","at":"now"}', LATEST)

    assert raised.value.fields == ("source", "label", "at")
    assert raised.value.order_id == "o1"


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, ErrorType.EMPTY),
        (b"", ErrorType.EMPTY),
        (b"{", ErrorType.NOT_JSON),
        (b"[1]", ErrorType.NOT_AN_OBJECT),
        (b"null", ErrorType.NOT_AN_OBJECT),
    ],
)
def test_other_messages_are_rejected(value: bytes | None, error_type: ErrorType) -> None:
    with pytest.raises(BadEvent) as raised:
        decode_label(value, LATEST)

    assert raised.value.error_type is error_type


_json = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)


@given(st.binary())
def test_arbitrary_bytes_are_rejected(value: bytes) -> None:
    with pytest.raises(BadEvent):
        decode_label(value, LATEST)


@given(st.dictionaries(st.sampled_from([*RAW, "note", "author", "x\0"]), _json))
def test_no_values_raise_another_error(raw: dict[str, object]) -> None:
    try:
        value = orjson.dumps(raw)
    except TypeError:  # an integer beyond 64 bits or a lone surrogate
        return
    with contextlib.suppress(BadEvent):
        assert decode_label(value, LATEST).order_id == raw["order_id"]
