"""`python -m tests.benchmarks.batch_date`: what the batch run of a new date costs, by how many dates are there already.

`order-batch run` works as a user runs it, on a database and a warehouse of its own. The first two dates have orders of
the producer's world; later ones have them again, of other users.
"""

import asyncio
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import load_ruleset
from devstack.paths import ROOT
from order_contract.decision import OrderRow
from tests.benchmarks.stack import Place, Stack, most_memory, running_stack
from tests.support.past_orders import store_past_orders

FIRST = date(2026, 5, 27)
"""The date after it, the 31st and the 180th are late in their months, when totals of a month read the most dates."""

MADE_DATES = 2
"""Dates whose orders are made; the others repeat them."""

MOST_MADE = 100_000_000
_SHIFTED = {
    "order_id": "made.order_id || '-' || $1::integer",
    "user_id": "coalesce(other.user_id, made.user_id)",
    "created_date": "made.created_date + make_interval(days => $1)",
    "source_offset": f"made.source_offset + $1::bigint * {MOST_MADE}",
}
_REPEAT = f"""
    insert into orders ({", ".join(OrderRow._fields)})
    select {", ".join(_SHIFTED.get(name, f"made.{name}") for name in OrderRow._fields)}
    from orders as made
    left join numbered_users as user_of on user_of.user_id = made.user_id
    left join numbered_users as other
        on other.number = (user_of.number + $1 * 7919) % (select count(*) from numbered_users)
    where made.source_offset < {MOST_MADE} and (made.created_date at time zone 'Asia/Jakarta')::date = $2
"""
_NUMBER_USERS = """
    insert into numbered_users select user_id, row_number() over (order by user_id) - 1
    from (select distinct user_id from users where (created_date at time zone 'Asia/Jakarta')::date < $1) as known
"""


@dataclass(frozen=True, slots=True)
class BatchDate:
    """One run for one new date. Seconds of CPU; memory in bytes, of all processes of the command together at most."""

    history: int
    orders: int
    seconds: float
    batch_cpu: float
    postgres_cpu: float
    memory: int

    @property
    def cpu(self) -> float:
        """Of the command with dbt, and of Postgres with what it does in the background until the command ends."""
        return self.batch_cpu + self.postgres_cpu


async def measure_dates(orders: int, histories: Sequence[int], pack: PackMode) -> list[BatchDate]:
    """Measure the date after each number of dates, in one warehouse that grows."""
    measured: list[BatchDate] = []
    async with running_stack({}) as stack, stack.place() as place:
        world = _World(place, orders)
        await world.make(pack)
        there = 0
        for history in sorted(histories):
            if history > there:
                await world.store(there, history + 1)
                _say(f"{history} dates of {orders:,} orders: loading those that are not there yet")
                await world.run(FIRST + timedelta(days=there), FIRST + timedelta(days=history - 1))
            await world.settle()
            _say(f"the date after {history}")
            measured.append(await world.measure(stack, history))
            there = history + 1
    return measured


class _World:
    """Orders of consecutive dates in a database, and the warehouse that they are loaded into."""

    def __init__(self, place: Place, orders: int) -> None:
        self._place = place
        self._orders = orders
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ORDERWATCH_")},
            "ORDERWATCH_DATABASE_URL": place.database_url,
            "ORDERWATCH_WAREHOUSE_PATH": str(place.logs / "warehouse.duckdb"),
            "ORDERWATCH_STAGING": str(place.logs / "staging"),
            "ORDERWATCH_DBT_PROJECT": str(ROOT / "dbt"),
        }

    async def make(self, pack: PackMode) -> None:
        """Store the orders that later dates repeat."""
        made = MADE_DATES * self._orders
        _say(f"{made:,} orders to Postgres")
        ruleset = add_marketplace_pack(load_ruleset(), pack)
        await store_past_orders(self._place.database_url, FIRST, MADE_DATES, made, ruleset=ruleset)

    async def store(self, start: int, stop: int) -> None:
        """Store the orders of dates by their numbers, from `start` until before `stop`, where they are not made."""
        connection = await asyncpg.connect(self._place.database_url)
        try:
            if start:
                await connection.execute(
                    "create table if not exists numbered_users (user_id text, number bigint primary key)"
                )
                if not await connection.fetchval("select exists (select from numbered_users)"):
                    await connection.execute(_NUMBER_USERS, FIRST)
            for number in range(max(start, MADE_DATES), stop):
                _say(f"orders of {FIRST + timedelta(days=number)} to Postgres")
                which = number % MADE_DATES
                await connection.execute(_REPEAT, number - which, FIRST + timedelta(days=which))
        finally:
            await connection.close()

    async def settle(self) -> None:
        """Leave the database without work for later."""
        connection = await asyncpg.connect(self._place.database_url)
        try:
            await connection.execute("vacuum analyze")
            await connection.execute("checkpoint")
        finally:
            await connection.close()

    async def measure(self, stack: Stack, history: int) -> BatchDate:
        """Run the date after `history` dates."""
        day = FIRST + timedelta(days=history)
        postgres, own, started = stack.postgres_cpu(), _children_cpu(), time.perf_counter()
        memory = await self.run(day, day)
        seconds = time.perf_counter() - started
        return BatchDate(history, self._orders, seconds, _children_cpu() - own, stack.postgres_cpu() - postgres, memory)

    async def run(self, first: date, last: date) -> int:
        """Run `order-batch run` for some dates; returns the most memory that it held."""
        command = [str(ROOT / "airflow" / ".venv" / "bin" / "order-batch"), "run", f"{first}..{last}"]
        log = self._place.logs / "order-batch.log"
        with log.open("wb") as output:
            running = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )
            watching = asyncio.create_task(most_memory(running.pid))
            code = await running.wait()
        if code != 0:
            raise SystemExit(f"order-batch run {first}..{last} ended with {code}:\n{_tail(log)}")
        return await watching


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tail(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-30:])


def _say(what: str) -> None:
    print(what, file=sys.stderr)


def main(
    *,
    orders: Annotated[int, typer.Option(help="Orders of each date.")] = 30_000,
    history: Annotated[
        list[int], typer.Option(min=1, help="Numbers of dates that are there before the one that is measured.")
    ] = [1, 31, 180],  # noqa: B006
    pack: Annotated[PackMode, typer.Option(help="How the marketplace pack decided the orders.")] = PackMode.OFF,
) -> None:
    """Print what the run of a new date costs after each of these histories."""
    table = Table(title=f"order-batch run for a new date of {orders:,} orders")
    for heading in ("dates before", "seconds", "batch, CPU s", "Postgres, CPU s", "both", "to the first", "memory, MB"):
        table.add_column(heading, justify="right")
    found = asyncio.run(measure_dates(orders, history, pack))
    for each in found:
        table.add_row(
            str(each.history), f"{each.seconds:.1f}", f"{each.batch_cpu:.1f}", f"{each.postgres_cpu:.1f}",
            f"{each.cpu:.1f}", f"{each.cpu / found[0].cpu:.2f}", f"{each.memory / 1e6:,.0f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
