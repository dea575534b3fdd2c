"""`python -m tests.benchmarks.month_backtest`: how long a backtest of a month takes, from a tenth of its orders.

The command runs as a user runs it, by the default rules and by ten features of 30 days, in one process and in several.
"""

import asyncio
import resource
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from decision_engine.ruleset import load_ruleset
from tests.benchmarks.backtest import TEN_FEATURES
from tests.benchmarks.stack import Place, most_memory, running_stack
from tests.support.past_orders import store_past_orders

FIRST = date(2026, 10, 1)
DAYS = 30
TENTH = 10
"""The month that is asked for has so many times the orders that are measured."""


@dataclass(frozen=True, slots=True)
class MonthBacktest:
    """One run of the command. Times in seconds; memory in bytes, of all its processes together at most."""

    rules: str
    processes: int
    orders: int
    seconds: float
    cpu_seconds: float
    memory: int


async def measure_month(orders: int, processes: list[int]) -> list[MonthBacktest]:
    """Store the orders, and run each backtest once."""
    async with running_stack({}) as stack, stack.place() as place:
        print(f"{orders:,} orders of {DAYS} days to Postgres", file=sys.stderr)
        await store_past_orders(place.database_url, FIRST, DAYS, orders)
        rulesets = {"default rules": load_ruleset().content, "ten features of 30 days": TEN_FEATURES}
        return [
            await _backtest(place, name, content, number, orders)
            for name, content in rulesets.items()
            for number in processes
        ]


async def _backtest(place: Place, name: str, content: str, processes: int, orders: int) -> MonthBacktest:
    print(f"backtest: {name}, {processes} processes", file=sys.stderr)
    file, report = place.logs / "rules.yaml", place.logs / "report.json"
    file.write_text(content)
    last = FIRST + timedelta(days=DAYS - 1)
    command = [
        sys.executable, "-m", "fraud_detector", "backtest", str(file), "--from", str(FIRST), "--to", str(last),
        "--report", "json", "--processes", str(processes),
    ]  # fmt: skip
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with report.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command, env={"ORDERWATCH_DATABASE_URL": place.database_url}, stdout=output
        )
        watching = asyncio.create_task(most_memory(running.pid))
        code = await running.wait()
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    memory = await watching
    assert code == 0, f"the backtest ended with {code}"
    assert orjson.loads(report.read_bytes())["orders"] == orders
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return MonthBacktest(name, processes, orders, seconds, cpu, memory)


def main(
    *,
    orders: Annotated[int, typer.Option(help="Orders of 30 days: a tenth of the month that is asked for.")] = 3_000_000,
    processes: Annotated[list[int], typer.Option(help="Numbers of processes.")] = [1, 2],  # noqa: B006
) -> None:
    """Print what each backtest took, and for a month of ten times as many orders ten times that."""
    table = Table(title=f"Backtest of {orders:,} orders of {DAYS} days")
    for heading in ("rules", "processes", "seconds", "orders/s", "CPU s", "memory, MB", "the month, min"):
        table.add_column(heading, justify="left" if heading == "rules" else "right")
    for found in asyncio.run(measure_month(orders, processes)):
        table.add_row(
            found.rules, str(found.processes), f"{found.seconds:.1f}", f"{found.orders / found.seconds:,.0f}",
            f"{found.cpu_seconds:.1f}", f"{found.memory / 1e6:,.0f}", f"{TENTH * found.seconds / 60:.1f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
