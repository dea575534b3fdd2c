"""Publish to REST: from an order's send until the API answers with its decision, at a steady rate."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer

from order_api.keys import create_key
from order_contract.business_time import BUSINESS_ZONE
from order_contract.world import World
from order_producer.generator import Recipe, live_orders
from orderwatch.embedded.ports import free_port
from tests.benchmarks.stack import Place, Stack

Progress = Callable[[str], None]

SAMPLES_PER_SECOND = 20


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from publish to the API's answer, of sampled orders at a rate of orders a second."""

    rate: int
    samples: int
    p50: float
    p95: float
    p99: float
    decided_p99: float
    """Of all orders: from the broker's append to being stored (the broker's clock counts whole milliseconds)."""


async def measure_latency(stack: Stack, rate: int, seconds: int, progress: Progress) -> Latency:
    """Publish at the rate; follow some of the orders through REST with `?wait=`."""
    progress(f"latency at {rate:,}/s for {seconds} s")
    port = free_port()
    async with stack.place() as place:
        with (
            place.process("fraud_detector", "run"),
            place.process("order_api", "serve", ORDERWATCH_API_PORT=str(port)),
        ):
            return await _load(place, port, rate, seconds)


async def _load(place: Place, port: int, rate: int, seconds: int) -> Latency:
    connection = await asyncpg.connect(place.database_url)
    _, key = await create_key(connection, "bench", "read")
    taken: list[float] = []
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, timeout=60
    )
    producer = AIOKafkaProducer(**place.kafka.client_options(), linger_ms=0, enable_idempotence=True)
    async with client, producer:
        await _ready(client)
        orders = live_orders(Recipe(World()), lambda: datetime.now(BUSINESS_ZONE), None)
        follows: set[asyncio.Task[None]] = set()

        async def follow(order_id: str, start: float) -> None:
            response = await client.get(f"/v1/orders/{order_id}", params={"wait": "30s"})
            assert response.status_code == 200, response.text
            taken.append(1000 * (time.perf_counter() - start))

        # The first seconds, in which the group forms and caches fill, are not counted.
        warm_up = 3
        start = time.perf_counter()
        sent = 0
        every = max(1, rate // SAMPLES_PER_SECOND)
        while (elapsed := time.perf_counter() - start) < seconds + warm_up:
            while sent < elapsed * rate:
                message = next(orders)
                at = time.perf_counter()
                await producer.send(place.kafka.orders_topic, message.value, key=message.key)
                sent += 1
                if sent % every == 0 and elapsed > warm_up:
                    task = asyncio.create_task(follow(message.name, at))
                    follows.add(task)
                    task.add_done_callback(follows.discard)
            await asyncio.sleep(0.001)
        await producer.flush()
        await asyncio.gather(*follows)
        after = datetime.now(UTC).timestamp() - seconds
        decided = await connection.fetchval(
            "select percentile_cont(0.99) within group (order by extract(epoch from stored_at - appended_at))"
            " from orders where appended_at > to_timestamp($1)",
            after,
        )
        await connection.close()
    cuts = statistics.quantiles(taken, n=100)
    return Latency(rate, len(taken), statistics.median(taken), cuts[94], cuts[98], 1000 * float(decided))


async def _ready(client: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
