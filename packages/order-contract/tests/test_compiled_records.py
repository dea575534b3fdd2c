"""Records of topic `decisions` by compiled code, to the byte as Python alone writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.decision import OrderRow
from order_contract.decision_record import decision_json, encode_decision, encode_event, event_json
from order_contract.seen import encode_seen

pytest.importorskip("order_contract.compiled_json", reason="no C compiler was there when it was installed")

TEXTS = st.one_of(st.text(max_size=40), st.from_regex(r"[A-Za-z0-9_-]{1,36}", fullmatch=True))
NUMBERS = st.integers(-(2**63), 2**63 - 1)
ZONES = st.sampled_from((UTC, timezone(timedelta(hours=7)), UTC, timezone(timedelta(0), "UTC")))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=ZONES)  # noqa: DTZ001
JSON_TEXTS = st.sampled_from(("[]", "{}", '{"hour":10}', '[{"reason":"Übergröße"}]', '{"a":"\U0001f600"}'))
OFFSETS = st.integers(0, 2**40)
ROWS = st.builds(
    OrderRow,
    order_id=TEXTS, user_id=TEXTS, product_id=TEXTS, quantity=NUMBERS, amount=NUMBERS, currency=TEXTS,
    payment_method=TEXTS, country=TEXTS, created_date=MOMENTS, device_id=st.none() | TEXTS,
    ip_address=st.none() | TEXTS, voucher_code=st.none() | TEXTS, email=st.none() | TEXTS,
    shipping_country=st.none() | TEXTS, account_created_date=st.none() | MOMENTS,
    attributes=st.none() | st.sampled_from(('{"a":1}', '{"b":"é"}')),
    status=st.sampled_from(("genuine", "fraud")), outcome=st.sampled_from(("approve", "review", "decline")),
    risk_score=st.integers(0, 100), hits=JSON_TEXTS, rule_ids=st.none(), features=JSON_TEXTS,
    ruleset_version=st.sampled_from(("v1", "v2")), decided_at=st.datetimes(timezones=st.just(UTC)),
    seen=st.none() | st.builds(encode_seen, st.dictionaries(st.integers(0, 4), OFFSETS), st.just(1)),
    lists_seen=st.none() | OFFSETS, source_topic=st.sampled_from(("orders", "orders-2")),
    source_epoch=st.integers(1, 3), source_partition=st.just(1), source_offset=OFFSETS,
    appended_at=st.datetimes(timezones=st.just(UTC)),
)  # fmt: skip


@given(st.lists(ROWS, min_size=1, max_size=4))
def test_compiled_code_writes_the_same_bytes(rows: list[OrderRow]) -> None:
    """Several rows one after another, as what they share is kept."""
    for row in (*rows, rows[0]):
        assert encode_decision(row) == decision_json(row)
        assert encode_event(row) == event_json(row)


@given(ROWS, st.sampled_from(("order_id", "user_id", "status", "hits", "features")))
def test_a_lone_surrogate_is_refused_and_leaves_nothing_behind(row: OrderRow, field: str) -> None:
    broken = OrderRow(**(row._asdict() | {field: "\ud800"}))
    for write in (encode_decision, decision_json):
        with pytest.raises((TypeError, UnicodeEncodeError)):
            write(broken)
    assert encode_decision(row) == decision_json(row)


@given(ROWS)
def test_what_is_no_text_is_refused(row: OrderRow) -> None:
    for field in ("status", "hits", "features"):
        with pytest.raises(TypeError):
            encode_decision(OrderRow(**(row._asdict() | {field: 7})))
