"""`python -m tests.benchmarks.restart`: from the start of a detector that was killed to its first decision.

Orders are put into Postgres, and the marketplace pack gives a detector histories of them. It starts without a snapshot,
is killed (kill -9) once it has written one, and starts again with it. Each time an order waits on the topic.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import asyncpg
import orjson
import psutil
import typer
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from decision_engine.pack_mode import PackMode
from tests.benchmarks.stack import Place, running_stack
from tests.support.plain_order import plain_order

Progress = Callable[[str], None]

console = Console()

ORDERS_OF_A_USER = 10
LONGEST = 600.0
EPOCH = 0
"""That of the stored orders: of an earlier topic of the name, so that the present one begins with what is measured."""

_STORED = """
    select 'stored-' || n, 'U' || n % $2, 'P' || n % 300, 1 + n % 3, 10000 + n % 1000000, 'IDR', 'QRIS', 'ID',
        now() - interval '29 days' * (1 - n::float8 / $1), 'D' || n % $2, '10.' || n % 200 || '.' || n % 199 || '.1',
        'genuine', 'approve', 0, '[]'::json, '{}'::json, 'v', now(), $3, $4, n % 4, n / 4, now()
    from generate_series(1, $1::bigint) as n
"""
_COLUMNS = """
    order_id, user_id, product_id, quantity, amount, currency, payment_method, country, created_date, device_id,
    ip_address, status, outcome, risk_score, hits, features, ruleset_version, decided_at, source_topic, source_epoch,
    source_partition, source_offset, appended_at
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds from the start of the process to its first decision, and its CPU seconds until then."""

    how: str
    orders: int
    seconds: float
    cpu_seconds: float

    @property
    def orders_per_second(self) -> float:
        return self.orders / self.seconds


async def measure_restart(orders: int, progress: Progress) -> list[Start]:
    """A start without a snapshot, and one with it after a kill."""
    async with running_stack({"ORDERWATCH_MARKETPLACE_PACK": PackMode.SHADOW.value}) as stack, stack.place() as place:
        progress(f"{orders:,} orders to Postgres")
        await _store(place, orders)
        snapshots = place.logs / "snapshots"
        progress("start without a snapshot")
        measured = [await _start(place, "without a snapshot", orders, snapshots, until_snapshot=True)]
        progress("start with a snapshot")
        return [*measured, await _start(place, "with a snapshot", orders, snapshots)]


async def _store(place: Place, orders: int) -> None:
    connection = await asyncpg.connect(place.database_url)
    try:
        statement = f"insert into orders ({_COLUMNS}) {_STORED}"
        topic = place.kafka.orders_topic
        await connection.execute(statement, orders, max(1, orders // ORDERS_OF_A_USER), topic, EPOCH, timeout=LONGEST)
        await connection.execute("vacuum analyze orders", timeout=LONGEST)
    finally:
        await connection.close()


async def _start(place: Place, how: str, orders: int, snapshots: Path, *, until_snapshot: bool = False) -> Start:
    """Publish an order, start a detector, and kill it once the order is decided, and a snapshot written if wanted."""
    order_id = how.replace(" ", "-")
    event = plain_order(order_id, user_id="U1", device_id="D1", created_date=datetime.now(UTC).isoformat())
    async with AIOKafkaProducer(**place.kafka.client_options()) as producer:
        await producer.send_and_wait(place.kafka.orders_topic, orjson.dumps(event), b"U1")
    connection = await asyncpg.connect(place.database_url)
    try:
        start = time.perf_counter()
        with place.process(
            "fraud_detector", "run", ORDERWATCH_SNAPSHOTS=str(snapshots), ORDERWATCH_SNAPSHOT_SECONDS="5"
        ) as process:
            while not await connection.fetchval("select exists (select from orders where order_id = $1)", order_id):
                _check(process, time.perf_counter() - start)
                await asyncio.sleep(0.02)
            seconds, times = time.perf_counter() - start, process.cpu_times()
            while until_snapshot and not any(snapshots.glob("*.histories")):  # noqa: ASYNC240
                _check(process, time.perf_counter() - start)
                await asyncio.sleep(0.2)
            process.kill()
        return Start(how, orders, seconds, times.user + times.system)
    finally:
        await connection.close()


def _check(process: psutil.Process, seconds: float) -> None:
    if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
        raise RuntimeError("the detector ended by itself: see its log")
    if seconds > LONGEST:
        raise RuntimeError(f"the detector decided nothing within {LONGEST:.0f} s")


def main(orders: Annotated[int, typer.Option(help="Orders that are stored before.")] = 300_000) -> None:
    """Measure how long a detector takes from its start to its first decision, without a snapshot and with one."""
    with console.status("starting a broker and a database") as status:
        measured = asyncio.run(measure_restart(orders, status.update))
    table = Table("start", "stored orders", "seconds", "CPU seconds", "orders/s")
    for each in measured:
        table.add_row(
            each.how, f"{each.orders:,}", f"{each.seconds:.2f}", f"{each.cpu_seconds:.2f}",
            f"{each.orders_per_second:,.0f}",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
