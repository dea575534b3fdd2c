"""A file of the seed's lines with broken ones among them: each line one outcome, statuses exactly the seed's."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from order_platform.kafka.topics import MAX_ORDER_BYTES
from order_platform.settings import KafkaSettings
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.waiting import until

Fields = dict[str, Any]


def seed_order(chance: random.Random) -> Fields:
    """An order as the seed's producer makes them."""
    quantity = chance.choice([chance.randint(1, 100), chance.randint(101, 300), chance.randint(301, 500)])
    day, hour, minute = chance.randint(1, 22), chance.randint(0, 23), chance.randint(0, 59)
    amount = chance.choice([chance.randint(10**5, 10**8), chance.randint(10**8, 5 * 10**8), 50_000_000, 300_000_000])
    return {
        "order_id": f"{chance.getrandbits(32):08x}",
        "user_id": f"U{chance.randint(100, 999)}",
        "product_id": "P1111",
        "quantity": quantity,
        "amount": f"Rp.{amount:,}",
        "payment_method": chance.choice(["Bank Transfer", "Paylater", "Credit Card", "Gopay", "OVO", "DANA"]),
        "country": chance.choice(["ID"] * 6 + ["US", "SG", "MY"]),
        "created_date": f"2026-11-{day:02d}T{hour:02d}:{minute:02d}:07",
    }


def seed_status(order: Fields) -> str:
    """The seed's rules A to D, from its description."""
    amount = int(order["amount"].removeprefix("Rp.").replace(",", ""))
    hour = int(order["created_date"][11:13])
    a = 0 <= hour <= 4 and (amount >= 100_000_000 or order["quantity"] > 100)
    b = order["country"] != "ID"
    c = amount >= 300_000_000 or order["quantity"] > 300
    d = order["payment_method"] in {"DANA", "OVO", "Gopay", "Paylater"} and amount > 50_000_000
    return "fraud" if a or b or c or d else "genuine"


def line(order: Fields) -> bytes:
    return json.dumps(order).encode()


# Each makes bad data of a good order.
BROKEN: list[Callable[[Fields], bytes]] = [
    lambda order: line(order)[:-5],
    lambda order: b"",
    lambda order: b"null",
    lambda order: b"[" + line(order) + b"]",
    lambda order: b"\xff\xfe" + line(order),
    lambda order: line(order).decode().encode("utf-16"),
    lambda order: line(order) + line(order),
    lambda order: line({**order, "order_id": ""}),
    lambda order: line({**order, "order_id": 12}),
    lambda order: line({**order, "order_id": "x" * 65}),
    lambda order: line({**order, "user_id": None}),
    lambda order: line({**order, "user_id": "a\x00b"}),
    lambda order: line({**order, "product_id": ["P1"]}),
    lambda order: line({**order, "quantity": 0}),
    lambda order: line({**order, "quantity": "5"}),
    lambda order: line({**order, "quantity": 1.5}),
    lambda order: line({**order, "quantity": True}),
    lambda order: line({**order, "quantity": 10**30}),
    lambda order: line({**order, "amount": -1}),
    lambda order: line({**order, "amount": 10**15 + 1}),
    lambda order: line({**order, "amount": "Rp.12,34"}),
    lambda order: line({**order, "amount": "much"}),
    lambda order: line({**order, "amount": None}),
    lambda order: line({**order, "country": "Indonesia"}),
    lambda order: line({**order, "country": ""}),
    lambda order: line({**order, "payment_method": {}}),
    lambda order: line({**order, "payment_method": "   "}),
    lambda order: line({**order, "payment_method": "m" * 65}),
    lambda order: line({"schema": {}, "payload": order}),
    lambda order: b"\x00\x00\x00\x00\x07" + line(order),
    lambda order: line({**order, "created_date": "yesterday"}),
    lambda order: line({**order, "created_date": "2026-02-30T10:00:00"}),
    lambda order: line({**order, "created_date": 1763780000}),
    lambda order: line({**order, "created_date": "9998-12-31T10:00:00"}),
    lambda order: line({**order, "note": "\x00"}),
    lambda order: line({**order, "big": 2**64}),
    lambda order: line(order).replace(b'"P1111"', b'"\\ud800"'),
    lambda order: line({**order, "order_id": "x" * 5 * 2**20}),
    lambda order: line({name: value for name, value in order.items() if name != "amount"}),
    lambda order: b"[" * 5_000,
]


@pytest.mark.integration
async def test_each_line_has_one_outcome_and_the_seeds_status(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(20261122)
    orders = [seed_order(chance) for _ in range(2_000)]
    large = {**seed_order(chance), "note": "n" * 5 * 2**20}
    lines = [line(order) for order in orders] + [line(large)]
    lines += [make(seed_order(chance)) for make in BROKEN]
    lines += [line(orders[n]) for n in range(0, 2_000, 50)]
    lines += [line({**orders[n], "quantity": orders[n]["quantity"] + 1}) for n in range(0, 2_000, 100)]
    chance.shuffle(lines)

    ledger = Ledger()
    producer = AIOKafkaProducer(**kafka_settings.client_options(), max_request_size=MAX_ORDER_BYTES)
    async with producer:
        sent = [
            (value, await producer.send(kafka_settings.orders_topic, value, key=b"%d" % n))
            for n, value in enumerate(lines)
        ]
        for value, acknowledged in sent:
            metadata = await acknowledged
            ledger.acknowledged[metadata.partition, metadata.offset] = value

    with DetectorProcess(kafka_settings, database_url, tmp_path / "detector.log") as detector:
        await until_consumed(kafka_settings, "every line to be finished")
        assert detector.get("/readyz")[0] == 200
        metrics = detector.get("/metrics")[1]
        assert detector.terminate() == 0
    counts = await ledger.verify(kafka_settings, database_url)
    assert (counts["stored"], counts["dead-letter"]) == (2_001, len(BROKEN))
    # Which content of an order comes first, and stays, is chance: they are in different partitions.
    assert counts["duplicate"] + counts["conflict"] == 60
    assert counts["conflict"] >= 20
    assert f'orderwatch_detector_messages_recorded_total{{outcome="dead-letter"}} {len(BROKEN)}.0' in metrics

    connection = await asyncpg.connect(database_url)
    stored = {record["order_id"]: record for record in await connection.fetch("select * from orders")}
    errors = await connection.fetch("select error_type, error from stream_outcomes where outcome = 'dead-letter'")
    await connection.close()
    for order in [*orders, large]:
        record = stored[order["order_id"]]
        assert record["status"] == seed_status({**order, "quantity": record["quantity"]}), order
    assert all(error["error"] and len(error["error"]) <= 1_000 for error in errors)


@pytest.mark.integration
async def test_two_detectors_share_the_work_and_one_takes_over(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    chance = random.Random(5)

    async def publish(count: int) -> None:
        async with AIOKafkaProducer(**kafka_settings.client_options()) as producer:
            for _ in range(count):
                order = seed_order(chance)
                await producer.send(kafka_settings.orders_topic, line(order), key=order["user_id"].encode())

    def consumed(detector: DetectorProcess) -> int:
        lines = detector.get("/metrics")[1].splitlines()
        return sum(
            int(float(text.split()[-1]))
            for text in lines
            if text.startswith("orderwatch_detector_messages_consumed_total{")
        )

    async def both_work() -> bool:
        """Whether each has done a part, after some more orders: the group may not have settled before."""
        await publish(100)
        return consumed(first) > 50 and consumed(second) > 50

    with (
        DetectorProcess(kafka_settings, database_url, tmp_path / "a.log") as first,
        DetectorProcess(kafka_settings, database_url, tmp_path / "b.log") as second,
    ):
        await until(lambda: all(d.get("/readyz")[0] == 200 for d in (first, second)), "both to be ready")
        await until(both_work, "both to work")
        await asyncio.to_thread(second.kill)
        await publish(500)
        await until_consumed(kafka_settings, "the other to take over")
        assert first.terminate() == 0
