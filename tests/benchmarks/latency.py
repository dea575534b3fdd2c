"""Publish to REST: from an order's send until the API answers with its decision, at a steady rate."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer

from marketplace_simulator import World
from marketplace_simulator.generator import GeneratorConfig, live_orders
from marketplace_simulator.orders import OrderMessage
from order_api.auth.keys import create_key
from order_contract.business_time import BUSINESS_ZONE
from order_platform.gc_tuning import freeze_startup_objects
from tests.benchmarks.stack import Place, Stack
from tests.support.ports import free_port

Progress = Callable[[str], None]

SAMPLES_PER_SECOND = 20
# Seconds of following, not counted, in which the group forms, connections are made and caches fill.
WARM_UP = 5

_DECIDED = """
    select percentile_cont(0.99) within group (order by extract(epoch from stored_at - appended_at))
    from orders where appended_at > $1
"""


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
    """Publish at the rate, from a process of its own; follow some of the orders through REST with `?wait=`."""
    progress(f"latency at {rate:,}/s for {seconds} s")
    async with stack.place() as place, system_under_load(place, rate) as client:
        began = datetime.now(UTC)
        taken = await follow_orders(place, client, seconds)
        connection = await asyncpg.connect(place.database_url)
        decided = await connection.fetchval(_DECIDED, began)
        await connection.close()
    cuts = statistics.quantiles(taken, n=100)
    return Latency(rate, len(taken), statistics.median(taken), cuts[94], cuts[98], 1000 * float(decided))


@asynccontextmanager
async def system_under_load(place: Place, rate: int) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API, beside a detector, with a producer at the rate less what `follow_orders` publishes."""
    port = free_port()
    load = ("order_producer", "generate", "--rate", str(rate - SAMPLES_PER_SECOND))
    with place.process("fraud_detector", "run"), place.process("order_api", "serve", ORDERWATCH_API_PORT=str(port)):
        connection = await asyncpg.connect(place.database_url)
        _, key = await create_key(connection, "bench", "review")
        await connection.close()
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            await wait_ready(client)
            freeze_startup_objects()  # a pause of this process would be counted as theirs
            with place.process(*load):
                await follow_orders(place, client, WARM_UP)
                yield client


async def follow_orders(place: Place, client: httpx.AsyncClient, seconds: int) -> list[float]:
    """Publish SAMPLES_PER_SECOND orders evenly; milliseconds from each one's send to the API's answer about it."""
    orders = live_orders(GeneratorConfig(World()), lambda: datetime.now(BUSINESS_ZONE), seconds * SAMPLES_PER_SECOND)
    async with AIOKafkaProducer(**place.kafka.client_options(), enable_idempotence=True) as producer:

        async def follow(number: int, message: OrderMessage) -> float:
            await asyncio.sleep(number / SAMPLES_PER_SECOND)
            start = time.perf_counter()
            await producer.send(place.kafka.orders_topic, message.value, key=message.key)
            response = await client.get(f"/v1/orders/{message.name}", params={"wait": "30s"})
            assert response.status_code == 200, response.text
            return 1000 * (time.perf_counter() - start)

        return await asyncio.gather(*(follow(number, message) for number, message in enumerate(orders)))


async def wait_ready(client: httpx.AsyncClient) -> None:
    """Wait until an API is ready to serve."""
    while True:
        try:
            if (await client.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)
