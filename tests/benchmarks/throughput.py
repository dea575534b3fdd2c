"""Orders a second from topic to Postgres, against a bare COPY of the same rows into the same table."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import islice

import asyncpg
from aiokafka import AIOKafkaProducer

from marketplace_simulator import World
from marketplace_simulator.generator import GeneratorConfig, past_orders
from order_contract.decision import OrderRow
from order_platform.settings import KafkaSettings
from tests.benchmarks.stack import Place, Stack, cpu_seconds

Progress = Callable[[str], None]
COLUMNS = ", ".join(OrderRow._fields)
FIRST_POLLED_EVERY = 0.05
_COUNT = "select count(*) from orders"


@dataclass(frozen=True, slots=True)
class Throughput:
    """One pair: the detector, then the bare COPY of what it stored. Orders a second; CPU in microseconds an order.

    The detector's CPU is that after its first batch: its start takes more than a second, whatever the orders.
    """

    orders: int
    detector: float
    bare_copy: float
    detector_cpu: float
    postgres_cpu: float

    @property
    def ratio(self) -> float:
        """The share of the bare COPY's speed that the detector reaches."""
        return self.detector / self.bare_copy


async def measure_throughput(stack: Stack, orders: int, pairs: int, progress: Progress) -> list[Throughput]:
    """As many pairs, in turn, each on a topic of its own with all orders waiting."""
    world = World()
    measured = []
    for pair in range(pairs):
        progress(f"throughput {pair + 1}/{pairs}: {orders:,} orders to topic")
        async with stack.place() as place:
            await _fill(place.kafka, world, orders)
            progress(f"throughput {pair + 1}/{pairs}: detector")
            detector, detector_cpu, postgres_cpu = await _detector(stack, place, orders)
            progress(f"throughput {pair + 1}/{pairs}: bare COPY")
            bare_copy = await _bare_copy(place, orders)
        measured.append(Throughput(orders, detector, bare_copy, detector_cpu, postgres_cpu))
    return measured


async def _fill(settings: KafkaSettings, world: World, orders: int) -> None:
    producer = AIOKafkaProducer(
        **settings.client_options(), compression_type="zstd", linger_ms=20, max_batch_size=256 * 1024
    )
    async with producer:
        messages = past_orders(GeneratorConfig(world, seed=1), date(2026, 11, 20), 1, orders)
        while chunk := list(islice(messages, 5_000)):
            sent = [await producer.send(settings.orders_topic, m.value, key=m.key) for m in chunk]
            await asyncio.gather(*sent)


async def _detector(stack: Stack, place: Place, orders: int) -> tuple[float, float, float]:
    """Orders a second between the first and the last batch that became visible, and CPU an order."""
    connection = await asyncpg.connect(place.database_url)
    try:
        before = stack.postgres_cpu()
        with place.process("fraud_detector", "run") as process:
            while not (first := await connection.fetchval(_COUNT)):  # noqa: ASYNC110
                await asyncio.sleep(FIRST_POLLED_EVERY)
            started = cpu_seconds(process, with_children=False)
            while (await connection.fetchval(_COUNT)) < orders:  # noqa: ASYNC110
                await asyncio.sleep(1)
            detector = cpu_seconds(process, with_children=False) - started
        postgres = stack.postgres_cpu() - before
        # The first batch waited for the group to form; the rest is the steady stream.
        speed = await connection.fetchval(
            "select count(*) filter (where stored_at > first) / extract(epoch from max(stored_at) - min(first))::float8"
            " from orders, (select min(stored_at) as first from orders) as batches"
        )
        return float(speed), 1e6 * detector / max(1, orders - first), 1e6 * postgres / orders
    finally:
        await connection.close()


async def _bare_copy(place: Place, orders: int) -> float:
    """The same rows, straight from memory, in one COPY, into a new table of the same shape."""
    connection = await asyncpg.connect(place.database_url)
    try:
        rows = [tuple(record) for record in await connection.fetch(f"select {COLUMNS} from orders order by stored_at")]
        await connection.execute("checkpoint")
        await connection.execute("create table bare (like orders including all)")
        start = time.perf_counter()
        await connection.copy_records_to_table("bare", records=rows, columns=OrderRow._fields)
        return orders / (time.perf_counter() - start)
    finally:
        await connection.close()
