"""The pure part of `explain`: what agrees, and what is said of what does not."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from decision_engine.lists import EntryChange, ListMembers
from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.order_evaluator import OrderEvaluator
from order_contract.dead_letter_record import RejectedMessage, dead_letter_headers
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_contract.decoding.decoder import EventDecoder
from order_contract.error_types import ErrorType
from order_contract.origin import Origin
from order_contract.outcomes import MessageOutcome
from order_platform.kafka.topic_reader import Missing
from orderwatch.explain import build_explanation
from orderwatch.explain.evidence import OrderEvidence, UnstoredMessage, UnstoredMessageEvidence, WarehouseRow
from orderwatch.explain.explanation import Explanation
from orderwatch.explain.render import explanation_document

RULESET = load_ruleset()
NOW = datetime(2026, 11, 22, 5, tzinfo=UTC)
ORDER = {
    "order_id": "o1",
    "user_id": "U1",
    "product_id": "P1",
    "quantity": 2,
    "amount": "Rp.350,000,000",
    "payment_method": "dana",
    "country": "sg",
    "created_date": "2026-11-22T03:15:00",
    "device_id": "d1",
    "ip_address": "36.68.10.20",
    "voucher_code": "SALE",
    "email": "a@example.com",
    "shipping_country": "ID",
    "account_created_date": "2026-01-01",
    "note": "as a gift",
    "level": 1,
}


@dataclass(frozen=True)
class Message:
    """A record of any topic."""

    value: bytes | None
    key: bytes | None = b"U1"
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = "orders"
    partition: int = 2
    offset: int = 17
    timestamp: int = int(NOW.timestamp() * 1000)


def message(**changes: Any) -> Message:
    return Message(orjson.dumps({**ORDER, **changes}))


def evaluate(record: Message, *payment_methods: str) -> OrderRow | RejectedMessage:
    evaluator = OrderEvaluator(EventDecoder(payment_methods), RULESET)
    return evaluator.evaluate(record, NOW + timedelta(milliseconds=7))


def stored(record: Message, *payment_methods: str) -> OrderEvidence:
    """The evidence of a message that the detector decided."""
    row = evaluate(record, *payment_methods)
    assert isinstance(row, OrderRow)
    published = Message(encode_decision(row), row.order_id.encode(), topic="decisions")
    return OrderEvidence(row, Origin("orders", 2, 17), record, RULESET.content, published)


def tampered(evidence: OrderEvidence, **columns: Any) -> Explanation:
    return build_explanation(replace(evidence, row=evidence.row._replace(**columns)))


def changed(value: Any) -> Any:
    """Another value of the same kind."""
    match value:
        case None:  # `seen` of a ruleset without history features
            return b"\x01"
        case int():
            return value + 1
        case datetime():
            return value + timedelta(microseconds=1)
        case list():
            return value[:-1]
        case str() if value.startswith(("{", "[")):
            return value.replace("3", "4").replace("gift", "loan")
        case str():
            return value + "x"
    raise AssertionError(f"nothing to change {value!r} to")


@pytest.mark.parametrize(
    "record",
    [
        message(),
        message(country="ID", amount=1000, payment_method="QRIS"),
        message(note={"deep": [1, 1.5, True, None]}, amount=0, currency="SGD"),
        Message(orjson.dumps({name: ORDER[name] for name in list(ORDER)[:8]})),
    ],
)
def test_what_the_detector_stored_agrees(record: Message) -> None:
    explanation = build_explanation(stored(record))
    assert explanation.agrees, explanation.sentences()
    assert explanation.verdict() == ("order o1 is consistent; compared: message, event, decision, published decision.")


@pytest.mark.parametrize("column", OrderRow._fields)
def test_a_change_of_any_column_is_found(column: str) -> None:
    evidence = stored(message())
    value = 1 if column == "lists_seen" else changed(getattr(evidence.row, column))
    explanation = tampered(evidence, **{column: value})
    assert not explanation.agrees
    named = {difference.field.split(".")[0] for section in explanation.sections for difference in section.differences}
    published = {
        "source_topic": "topic",
        "source_epoch": "topic_epoch",
        "source_partition": "partition",
        "source_offset": "offset",
    }
    assert published.get(column, column) in named


def test_lists_and_snoozes_that_an_order_met_are_shown() -> None:
    members = ListMembers()
    members.apply(3, [EntryChange("snooze:foreign-country:user_id", "user_id", "U1", None, True)])
    record = message()
    row = OrderEvaluator(EventDecoder(), RULESET, lists=members).evaluate(record, NOW)
    assert isinstance(row, OrderRow)
    assert row.lists_seen == 3
    published = Message(encode_decision(row), row.order_id.encode(), topic="decisions")
    explanation = build_explanation(OrderEvidence(row, Origin("orders", 2, 17), record, RULESET.content, published))
    assert explanation.agrees, explanation.sentences()
    sections = {section.name: section for section in explanation.sections}
    modes = {shown["rule"]: shown["mode"] for shown in sections["rules"].rows if shown["fires"]}
    assert modes["foreign-country"] == "snoozed"
    assert {mode for rule, mode in modes.items() if rule != "foreign-country"} == {"live"}
    reasons = sections["decision"].facts["reasons"]
    assert [text.endswith(" (snoozed)") for text in reasons].count(True) == 1  # type: ignore[attr-defined]


def test_a_changed_outcome_is_said_exactly() -> None:
    evidence = stored(message(country="ID", payment_method="QRIS"))
    assert (evidence.row.outcome, evidence.row.risk_score) == ("decline", 100)
    explanation = tampered(evidence, outcome="review")
    assert explanation.sentences() == [
        "outcome: stored 'review', decided again 'decline'",
        "outcome: stored 'review', published 'decline'",
    ]
    assert explanation.verdict() == "order o1 is not consistent: decision (outcome), published decision (outcome)."


def test_a_hit_is_compared_value_by_value() -> None:
    evidence = stored(message())
    hits = orjson.loads(evidence.row.hits)
    hits[1]["score"] = 49
    (score, removed) = [
        tampered(evidence, hits=orjson.dumps(value).decode()).sections[3].sentences() for value in (hits, hits[1:])
    ]
    assert score == ["hits.foreign-country.score: stored 49, decided again 50"]
    assert any(sentence.startswith("hits.critical-hour: stored nothing, decided again {") for sentence in removed)


@pytest.mark.parametrize(("column", "text"), [("hits", "[ ]"), ("features", '{"hour": 12}')])
def test_the_same_values_in_other_text_are_no_longer_to_the_bit(column: str, text: str) -> None:
    evidence = stored(message(country="ID", amount=1, created_date="2026-11-22T12:00:00"))
    assert orjson.loads(getattr(evidence.row, column)) == orjson.loads(text)
    (difference,) = tampered(evidence, **{column: text}).sections[3].differences
    assert (difference.field, difference.stored) == (column, text)


@pytest.mark.parametrize("features", ["{}", '{"hour": "three"}', "[]"])
def test_features_that_cannot_be_decided_with_are_a_difference(features: str) -> None:
    explanation = tampered(stored(message()), features=features)
    assert "features" in {difference.field for difference in explanation.sections[3].differences}


def test_the_ruleset_has_to_be_the_one_that_decided() -> None:
    evidence = stored(message())
    assert "is not in table rulesets" in build_explanation(replace(evidence, ruleset=None)).sentences()[0]
    other = RULESET.content.replace("review_at: 50", "review_at: 51")
    assert any("ruleset_version" in text for text in build_explanation(replace(evidence, ruleset=other)).sentences())
    broken = build_explanation(replace(evidence, ruleset="rules: 1"))
    assert "is not accepted" in broken.sentences()[0]


def test_rules_show_their_values_and_whether_they_fire() -> None:
    rows = build_explanation(stored(message())).sections[2].rows
    assert [(row["rule"], row["fires"]) for row in rows] == [(rule.id, True) for rule in RULESET.rules]
    assert rows[0]["values"] == {"hour": 3, "currency": "IDR", "amount": 350_000_000, "quantity": 2}
    assert rows[1]["when"] == 'country != "ID"'


def test_what_retention_deleted_is_said_and_the_rest_compared() -> None:
    evidence = replace(
        stored(message()), message=Missing("retention deleted it"), published=Missing("not among the records")
    )
    explanation = build_explanation(evidence)
    assert explanation.agrees
    assert explanation.verdict() == "order o1 is consistent; compared: decision."
    assert [section.notes for section in explanation.sections if section.notes] == [
        ["retention deleted it"],
        ["without the message there is nothing to decode"],
        ["not among the records"],
    ]


def test_a_payment_method_from_the_detectors_settings_is_known() -> None:
    evidence = stored(message(payment_method="shopeepay later"), "ShopeePay Later")
    assert evidence.row.payment_method == "ShopeePay Later"
    assert build_explanation(evidence).agrees


def test_attributes_are_compared_as_json() -> None:
    evidence = stored(message())
    explanation = tampered(evidence, attributes='{"note":"as a gift","level":1.0}')
    assert explanation.sections[1].sentences() == ["attributes.level: stored '1.0', decoded now '1'"]


def test_a_message_that_is_not_a_valid_order_any_more_is_a_difference() -> None:
    explanation = build_explanation(replace(stored(message()), message=message(quantity=0)))
    assert explanation.sections[1].sentences() == [
        "quantity: stored 'an order', decoded now 'quantity must be an integer of at least 1, got 0'"
    ]


@pytest.mark.parametrize("value", [b"\xff", None, b"[]", b'{"order_id":"o1"}'])
def test_a_published_record_that_is_another_differs(value: bytes | None) -> None:
    explanation = build_explanation(replace(stored(message()), published=Message(value, topic="decisions")))
    assert [section.name for section in explanation.sections if section.differences] == ["published_decision"]


def refused(
    record: Message, outcome: MessageOutcome = MessageOutcome.DEAD_LETTER, row: OrderRow | None = None
) -> UnstoredMessageEvidence:
    """The evidence of a message that the detector refused."""
    letter = evaluate(record)
    if isinstance(letter, OrderRow):
        letter = RejectedMessage(record, ErrorType.CONFLICT, "order o1 is stored with other content", order_id="o1")
    unstored = UnstoredMessage("orders", 2, 17, 1, outcome, letter.order_id, letter.error_type, letter.error, NOW)
    headers = tuple(dead_letter_headers(letter))
    published = Message(record.value, str(letter.origin).encode(), headers, "orders.dlq")
    return UnstoredMessageEvidence(unstored, record, published, row)


@pytest.mark.parametrize("record", [message(quantity=0), Message(b"{broken"), Message(None), Message(b"\xff\xfe")])
def test_a_dead_letter_agrees_and_names_the_field(record: Message) -> None:
    explanation = build_explanation(refused(record))
    assert explanation.agrees, explanation.sentences()
    assert explanation.verdict() == "message orders/2/17 is consistent; compared: unstored message, dead letter."
    assert explanation.sections[1].facts["field"] == ("quantity" if record.value and len(record.value) > 10 else None)
    assert orjson.loads(orjson.dumps(explanation_document(explanation)))["agrees"] is True


def test_a_dead_letter_with_other_bytes_or_another_error_differs() -> None:
    evidence = refused(message(quantity=0))
    assert isinstance(evidence.dead_letter, Message)
    other_bytes = replace(evidence, dead_letter=replace(evidence.dead_letter, value=b"{}"))
    assert [difference.field for difference in build_explanation(other_bytes).sections[2].differences] == ["value"]
    other_error = replace(evidence, unstored=evidence.unstored._replace(error="something else"))
    explanation = build_explanation(other_error)
    assert [difference.field for difference in explanation.sections[2].differences] == ["error"]
    assert explanation.sections[1].notes == ["the decoder now says: quantity must be an integer of at least 1, got 0"]


def test_a_dead_letter_that_would_be_taken_now_is_said() -> None:
    evidence = replace(refused(message(payment_method="Stones")), message=message())
    assert "would be decided" in build_explanation(evidence).sections[1].notes[0]


def test_where_the_topic_lost_the_bytes_the_dead_letter_has_them() -> None:
    explanation = build_explanation(replace(refused(message(quantity=0)), message=Missing("retention deleted it")))
    assert explanation.agrees
    assert explanation.sections[2].facts["value"] == message(quantity=0).value


def test_a_duplicate_has_the_content_that_stands_and_a_conflict_has_not() -> None:
    row = stored(message()).row
    same, other = message(country="SG"), message(quantity=3, note="for me")
    assert build_explanation(refused(same, MessageOutcome.DUPLICATE, row)).agrees
    noted = stored(message(note={"a": 1, "b": [2.5]}, x=7)).row
    respelled = message(x=7.0, note={"b": [2.50], "a": 1.0})
    assert build_explanation(refused(respelled, MessageOutcome.DUPLICATE, noted)).agrees
    assert [
        d.field for d in build_explanation(refused(other, MessageOutcome.DUPLICATE, row)).sections[1].differences
    ] == [
        "quantity",
        "attributes.note",
    ]
    conflict = build_explanation(refused(other, MessageOutcome.CONFLICT, row))
    assert conflict.agrees
    assert [line["field"] for line in conflict.sections[1].rows] == ["quantity", "attributes.note"]
    assert not build_explanation(refused(same, MessageOutcome.CONFLICT, row)).agrees
    gone = build_explanation(refused(other, MessageOutcome.CONFLICT, None))
    assert "is stored" in gone.sections[1].notes[0]


def warehouse_row(evidence: OrderEvidence, **changes: Any) -> WarehouseRow:
    """What the batch side tells of it."""
    names = ("order_id", "amount", "device_id", "created_date", "attributes", "risk_score", "appended_at")
    columns = {name: getattr(evidence.row, name) for name in names} | {
        "business_date": "2026-11-22",
        "stored_at": NOW,
        **changes,
    }
    return WarehouseRow("2026-11-22", "2026-11-23T00:31:00Z", orjson.loads(orjson.dumps(columns)))


def test_the_warehouse_holds_what_is_stored() -> None:
    evidence = stored(message())
    section = build_explanation(replace(evidence, warehouse=warehouse_row(evidence))).sections[-1]
    assert (section.name, section.checked, section.differences) == ("warehouse", "8 columns", [])
    assert section.facts == {"business_date": "2026-11-22", "loaded_at": "2026-11-23T00:31:00Z"}


@pytest.mark.parametrize(
    ("column", "value"),
    [("amount", 350_000_001), ("amount", 350_000_000.0), ("device_id", None), ("attributes", "{}"),
     ("created_date", "2026-11-22T03:15:00Z"), ("business_date", "2026-11-21")],
)  # fmt: skip
def test_another_row_in_the_warehouse_is_named(column: str, value: object) -> None:
    evidence = stored(message())
    explanation = build_explanation(replace(evidence, warehouse=warehouse_row(evidence, **{column: value})))
    assert not explanation.agrees
    assert [each.field for each in explanation.sections[-1].differences] == [column]


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (None, []),
        (Missing("it is locked"), ["it is locked"]),
        (WarehouseRow("2026-11-22", None, None), ["its date is not loaded yet"]),
        (WarehouseRow("2026-11-22", "2026-11-23T00:31:00Z", None), ["it came after that load"]),
    ],
)
def test_no_row_in_the_warehouse_is_no_disagreement(found: WarehouseRow | Missing | None, note: list[str]) -> None:
    explanation = build_explanation(replace(stored(message()), warehouse=found))
    assert explanation.agrees
    assert list(explanation.sections[-1].notes) == note
    assert explanation.sections[-1].checked is None
