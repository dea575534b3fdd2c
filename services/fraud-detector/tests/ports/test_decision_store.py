"""Tests of the port DecisionStore, on the simulation's fake and on Postgres by either way of writing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import asyncpg
import pytest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch, Gap
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.ports import DecisionStore, UnstoredOrdersError
from fraud_detector.stream.postgres_store import PostgresStore
from order_contract.dead_letter_record import RejectedMessage
from order_contract.decision import OrderRow
from order_contract.decision_record import encode_decision
from order_contract.decoding.decoder import EventDecoder
from simulation.fakes import FakeDatabase, FakeMessage, FakeStore, Origin
from simulation.scripted_random import ScriptedRandom

RULESET = load_ruleset()
NOW = datetime(2026, 11, 22, 3, 4, 5, 678901, tzinfo=UTC)


class Subject(Protocol):
    """A store, and a look at what is stored in it."""

    store: DecisionStore

    async def orders(self) -> dict[str, OrderRow]: ...
    async def outcomes(self) -> dict[Origin, str]: ...
    async def gaps(self) -> set[Gap]: ...
    async def rulesets(self) -> set[str]: ...


class FakeSubject:
    def __init__(self) -> None:
        self._database = FakeDatabase()
        self.store: DecisionStore = FakeStore(self._database, ScriptedRandom([]))

    async def orders(self) -> dict[str, OrderRow]:
        return self._database.orders

    async def outcomes(self) -> dict[Origin, str]:
        return self._database.outcomes

    async def gaps(self) -> set[Gap]:
        return self._database.gaps

    async def rulesets(self) -> set[str]:
        return self._database.rulesets


class PostgresSubject:
    def __init__(self, url: str, store: PostgresStore) -> None:
        self._url = url
        self.store: DecisionStore = store

    async def orders(self) -> dict[str, OrderRow]:
        rows = await self._fetch(f"select {', '.join(OrderRow._fields)} from orders")
        return {row["order_id"]: OrderRow(*row.values()) for row in rows}

    async def rulesets(self) -> set[str]:
        return {row["version"] for row in await self._fetch("select version from rulesets")}

    async def outcomes(self) -> dict[Origin, str]:
        rows = await self._fetch('select partition, "offset", outcome from stream_outcomes')
        return {(row["partition"], row["offset"]): row["outcome"] for row in rows}

    async def gaps(self) -> set[Gap]:
        rows = await self._fetch("select partition, first_offset, next_offset, reason from stream_gaps")
        return {Gap(*row.values()) for row in rows}

    async def _fetch(self, query: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            return await connection.fetch(query)
        finally:
            await connection.close()


@pytest.fixture(
    params=[
        "fake",
        pytest.param("insert", marks=pytest.mark.integration),
        pytest.param("copy", marks=pytest.mark.integration),
    ]
)
def place(request: pytest.FixtureRequest) -> tuple[str, int] | None:
    """The database's URL and from how many orders on it is COPY; None for the fake."""
    if request.param == "fake":
        return None
    return request.getfixturevalue("database_url"), 1 if request.param == "copy" else 10**9


@pytest.fixture
async def subject(place: tuple[str, int] | None) -> AsyncIterator[Subject]:
    if place is None:
        yield FakeSubject()
        return
    url, copy_from = place
    store = PostgresStore(url, topic="orders", rulesets=[RULESET], copy_from=copy_from)
    yield PostgresSubject(url, store)
    await store.close()


def value(order_id: str, quantity: int = 1, extra: str = "") -> bytes:
    return (
        f'{{"order_id":"{order_id}","user_id":"u","product_id":"p","quantity":{quantity},"amount":400000000,'
        f'"payment_method":"OVO","country":"ID","created_date":"2026-11-22T10:00:00.123456"{extra}}}'
    ).encode()


def batch(*messages: tuple[int, int, bytes], at: datetime = NOW) -> Batch:
    """Messages (partition, offset, value), decided."""
    evaluator = OrderEvaluator(EventDecoder(), RULESET)
    made = Batch()
    for partition, offset, content in messages:
        message = FakeMessage(partition, offset, content)
        decided = evaluator.evaluate(message, at)
        if isinstance(decided, RejectedMessage):
            made.dead_letters.append(decided)
        else:
            made.orders.append((decided, message))
        made.next_offsets[partition] = offset + 1
    return made


async def test_new_orders_are_stored_as_they_were_decided(subject: Subject) -> None:
    first = batch(
        (0, 0, value("a")), (1, 0, value("b", extra=',"voucher_code":"V","odd":{"x":[1,2.5,null,"\\u00e9"]}'))
    )
    stored = await subject.store.store(first)
    assert [row.order_id for row in stored.orders] == ["a", "b"]
    assert (stored.duplicates, list(stored.conflicts)) == (0, [])
    rows = [row for row, _ in first.orders]
    assert await subject.orders() == {row.order_id: row for row in rows}
    assert [encode_decision(row) for row in (await subject.orders()).values()] == [encode_decision(row) for row in rows]


async def test_a_ruleset_is_recorded_once(subject: Subject) -> None:
    other = replace(RULESET, version="other")
    for _ in range(2):
        await subject.store.record_rulesets([other])
    assert "other" in await subject.rulesets()


async def test_a_repeat_changes_nothing_and_gives_what_is_stored(subject: Subject) -> None:
    original = batch((0, 0, value("a")), (0, 1, b"broken"), (0, 2, value("b")))
    await subject.store.store(original)
    before = await subject.orders(), await subject.outcomes()
    again = await subject.store.store(
        batch((0, 0, value("a")), (0, 1, b"broken"), (0, 2, value("b")), at=NOW + timedelta(hours=1))
    )
    assert (await subject.orders(), await subject.outcomes()) == before
    assert list(again.orders) == [row for row, _ in original.orders]
    assert (again.duplicates, list(again.conflicts)) == (0, [])


async def test_the_same_order_from_elsewhere_is_a_duplicate(subject: Subject) -> None:
    await subject.store.store(batch((0, 0, value("a"))))
    # In another spelling: it is the normalised event that counts.
    respelled = value("a").replace(b'"OVO"', b'"ovo"').replace(b"10:00:00.123456", b"03:00:00.123456+00:00")
    stored = await subject.store.store(batch((1, 7, respelled), (1, 8, value("new"))))
    assert [row.order_id for row in stored.orders] == ["new"]
    assert stored.duplicates == 1
    assert await subject.outcomes() == {(1, 7): "duplicate"}
    assert (await subject.orders())["a"].source_partition == 0


async def test_other_content_is_a_conflict_and_the_first_stays(subject: Subject) -> None:
    await subject.store.store(batch((0, 0, value("a"))))
    stored = await subject.store.store(batch((0, 1, value("a", quantity=2)), (0, 2, value("b"))))
    assert [row.order_id for row in stored.orders] == ["b"]
    (conflict,) = stored.conflicts
    assert (conflict.error_type, conflict.order_id, conflict.message.offset) == ("conflict", "a", 1)
    assert conflict.fingerprints is not None
    assert conflict.fingerprints[0] != conflict.fingerprints[1]
    assert await subject.outcomes() == {(0, 1): "conflict"}
    assert (await subject.orders())["a"].quantity == 1


async def test_one_batch_may_hold_an_order_several_times(subject: Subject) -> None:
    stored = await subject.store.store(
        batch((0, 0, value("a")), (0, 1, value("a")), (0, 2, value("a", quantity=2)), (0, 3, value("a")))
    )
    assert [(row.order_id, row.source_offset) for row in stored.orders] == [("a", 0)]
    assert stored.duplicates == 2
    assert await subject.outcomes() == {(0, 1): "duplicate", (0, 2): "conflict", (0, 3): "duplicate"}


async def test_the_first_of_a_batch_is_stored_also_after_batches_that_were_not(subject: Subject) -> None:
    """Which of several messages of an order is stored decides which one counts in history features."""
    for start in range(0, 20_000, 2_000):
        numbers = range(start, start + 2_000)
        messages = [(0, n, value(f"o{n // 2}", extra=f',"note":"{"x" * (n * 7919 % 900)}"')) for n in numbers]
        messages = [(0, n, messages[n // 2 * 2 - start][2]) for n in numbers]
        decided = batch(*messages)
        decided.has_history = True
        with pytest.raises(UnstoredOrdersError) as raised:
            await subject.store.store(decided)
        assert raised.value.origins == {(0, n) for n in numbers if n % 2}
        if start % 6_000:
            continue
        decided.uncounted = {(0, n) for n in numbers if n % 2}
        stored = await subject.store.store(decided)
        assert [row.source_offset for row in stored.orders] == list(numbers)[::2]


async def test_dead_letters_and_gaps_are_recorded(subject: Subject) -> None:
    bad = batch((2, 5, b"{"), (2, 9, value("a").replace(b'"u"', b"3")))
    bad.gaps.append(Gap(2, 6, 9, "not on the topic"))
    stored = await subject.store.store(bad)
    assert list(stored.orders) == []
    assert await subject.outcomes() == {(2, 5): "dead-letter", (2, 9): "dead-letter"}
    assert await subject.gaps() == {Gap(2, 6, 9, "not on the topic")}
    await subject.store.store(bad)
    assert len(await subject.outcomes()) == 2


async def test_a_large_batch_with_everything_in_it(subject: Subject) -> None:
    await subject.store.store(batch(*((0, n, value(f"o{n}")) for n in range(0, 1200, 3))))
    mixed = [(1, n, b"?" if n % 100 == 7 else value(f"o{n}", quantity=1 + (n % 50 == 0))) for n in range(1200)]
    stored = await subject.store.store(batch(*mixed))
    outcomes = await subject.outcomes()
    counts = {kind: list(outcomes.values()).count(kind) for kind in ("duplicate", "conflict", "dead-letter")}
    # Of every third, 400 in all, 4 are broken this time and 8 have another quantity.
    assert counts == {"duplicate": 388, "conflict": 8, "dead-letter": 12}
    assert len(stored.orders) == 1200 - 408
    assert len(await subject.orders()) == 400 + len(stored.orders)
