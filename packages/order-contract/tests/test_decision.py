"""The decision: its words, its message on topic `decisions`, and that its row is the table's row."""

from datetime import UTC, datetime
from types import NoneType
from typing import get_args, get_type_hints

import asyncpg
import orjson
import pytest

from order_contract.decision import Decision, OrderRow, Outcome, RuleHit, Status, decision_columns, status_of
from order_contract.decision_record import encode_decision
from order_contract.event import OrderEvent
from order_contract.seen import decode_seen

HITS: list[RuleHit] = [
    {
        "rule": "large-amount",
        "severity": "high",
        "score": 60,
        "mode": "live",
        "reason": "at least 300,000,000",
    }
]
ROW = OrderRow(
    order_id="01M7",
    user_id="U1",
    product_id="P1",
    quantity=3,
    amount=400_000_000,
    currency="IDR",
    payment_method="OVO",
    country="ID",
    created_date=datetime(2026, 11, 22, 3, tzinfo=UTC),
    device_id="dev-1",
    ip_address="10.0.0.1",
    voucher_code=None,
    email="budi@gmail.com",
    shipping_country=None,
    account_created_date=datetime(2025, 1, 1, tzinfo=UTC),
    attributes='{"channel":"app","basket":[1,2.5]}',
    status="fraud",
    outcome="decline",
    risk_score=60,
    # Spaces as orjson would not write them: what is stored goes out as it is.
    hits=orjson.dumps(HITS).decode().replace(":", ": "),
    rule_ids=["large-amount"],
    features='{"hour": 10}',
    ruleset_version="v1",
    decided_at=datetime(2026, 11, 22, 3, 0, 1, 250_000, tzinfo=UTC),
    seen=b"\x05\x80\x01\x00",
    lists_seen=7,
    source_topic="orders",
    source_epoch=1,
    source_partition=2,
    source_offset=17,
    appended_at=datetime(2026, 11, 22, 3, 0, 1, tzinfo=UTC),
)


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.APPROVE, Status.GENUINE), (Outcome.REVIEW, Status.FRAUD), (Outcome.DECLINE, Status.FRAUD)],
)
def test_an_order_is_fraud_exactly_when_it_is_not_approved(outcome: Outcome, status: Status) -> None:
    assert status_of(outcome) is status
    assert Decision(outcome, 0, (), {}, "v1").status is status


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_row_has_plain_texts(outcome: Outcome) -> None:
    status_text, outcome_text, *_ = decision_columns(Decision(outcome, 0, (), {}, "v1"))

    assert (status_text, outcome_text) == (status_of(outcome), outcome)
    assert type(status_text) is type(outcome_text) is str


def test_a_row_gives_its_event_back() -> None:
    event = ROW.event()

    assert event == OrderEvent(*ROW[:15], {"channel": "app", "basket": [1, 2.5]})
    assert ROW._replace(attributes=None).event().attributes is None


def test_a_row_begins_with_the_events_fields() -> None:
    assert OrderRow._fields[: len(OrderEvent._fields)] == OrderEvent._fields


MESSAGE = {
    "order_id": "01M7",
    "user_id": "U1",
    "status": "fraud",
    "outcome": "decline",
    "risk_score": 60,
    "hits": HITS,
    "features": {"hour": 10},
    "seen": [5, 128, 17],
    "lists_seen": 7,
    "ruleset_version": "v1",
    "decided_at": "2026-11-22T03:00:01.250000Z",
    "topic": "orders",
    "topic_epoch": 1,
    "partition": 2,
    "offset": 17,
}
"""What is published of ROW, in the sequence of its members."""


def test_a_message_says_what_was_decided_and_where_the_order_came_from() -> None:
    assert orjson.loads(encode_decision(ROW)) == MESSAGE


@pytest.mark.parametrize("seen", [None, b"\x05", b"\x05\x80\x01\x00\x07"])
@pytest.mark.parametrize("lists_seen", [None, 0])
@pytest.mark.parametrize("order_id", ['a"b\\c', "\u00fc\U0001f600", "a\x01\x7f"])
def test_a_message_is_written_as_orjson_writes_it(seen: bytes | None, lists_seen: int | None, order_id: str) -> None:
    row = ROW._replace(order_id=order_id, user_id=order_id[::-1], seen=seen, lists_seen=lists_seen)
    message = encode_decision(row._replace(hits="[]", features="{}"))

    expected = MESSAGE | {
        "order_id": order_id,
        "user_id": order_id[::-1],
        "hits": [],
        "features": {},
        "seen": None if seen is None else decode_seen(seen, 2, 17),
        "lists_seen": lists_seen,
    }
    if lists_seen is None:
        del expected["lists_seen"]
    assert message == orjson.dumps(orjson.loads(message))
    assert message == orjson.dumps(expected)


def test_a_message_holds_no_personal_data() -> None:
    message = encode_decision(ROW)

    assert b"budi@gmail.com" not in message
    assert b"10.0.0.1" not in message


def test_a_message_is_made_of_nothing_but_the_row() -> None:
    assert encode_decision(ROW) == encode_decision(OrderRow(*ROW))
    assert ROW.hits.encode() in encode_decision(ROW)
    assert ROW.features.encode() in encode_decision(ROW)


def test_messages_of_different_decisions_differ() -> None:
    others = [
        ROW._replace(order_id="01M8"),
        ROW._replace(status="genuine"),
        ROW._replace(outcome="review"),
        ROW._replace(risk_score=61),
        ROW._replace(hits="[]"),
        ROW._replace(features="{}"),
        ROW._replace(seen=None),
        ROW._replace(lists_seen=8),
        ROW._replace(ruleset_version="v2"),
        ROW._replace(decided_at=ROW.decided_at.replace(microsecond=0)),
        ROW._replace(source_topic="orders-2"),
        ROW._replace(source_epoch=2),
        ROW._replace(source_partition=3),
        ROW._replace(source_offset=18),
    ]

    assert len({encode_decision(row) for row in (ROW, *others)}) == 1 + len(others)


@pytest.mark.integration
async def test_a_row_is_the_tables_row(database_url: str) -> None:
    names = ", ".join(OrderRow._fields)
    parameters = ", ".join(f"${number}" for number in range(1, len(ROW) + 1))
    connection = await asyncpg.connect(database_url)
    try:
        columns = await connection.fetch(
            "select column_name, is_nullable = 'YES' as nullable from information_schema.columns"
            " where table_schema = 'public' and table_name = 'orders' order by ordinal_position"
        )
        await connection.execute(f"insert into orders ({names}) values ({parameters})", *ROW)
        stored = await connection.fetchrow(f"select {names} from orders")
    finally:
        await connection.close()

    assert {column["column_name"] for column in columns} == {*OrderRow._fields, "stored_at"}
    may_be_none = {field for field, hint in get_type_hints(OrderRow).items() if NoneType in get_args(hint)}
    assert {column["column_name"] for column in columns if column["nullable"]} == may_be_none
    assert stored is not None
    assert OrderRow(*stored) == ROW
