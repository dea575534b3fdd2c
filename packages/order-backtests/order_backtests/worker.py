"""`python -m order_backtests.worker`: one backtest, for the process that starts it and sets its priority.

Reads a Task from standard input and writes messages to standard output. It ends when standard input does: with the
process that started it, however that ends.
"""

import os
import resource
import sys
import threading

import asyncpg
import msgspec
import orjson
from pydantic import SecretStr

from decision_engine.ruleset import Ruleset, parse_ruleset
from order_backtests.extent import Extent, count_before, dates_text, read_extent
from order_backtests.html import as_html
from order_backtests.postgres_source import Span
from order_backtests.recorded_features import serve_recorded_features
from order_backtests.report import Backtest, as_document
from order_backtests.runner import Plan, run_here
from order_backtests.worker_messages import Decided, Failed, Finished, Message, Started, Task
from order_contract.business_time import business_date
from order_platform.command_line.database import run_on_database
from order_platform.command_line.errors import CommandError
from order_platform.settings import DatabaseSettings


def main() -> None:
    """Run the backtest, and report it."""
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    limit = task.megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        _write(_run(task))
    except CommandError as error:
        _write(Failed(str(error)))
    except MemoryError:
        _write(Failed(f"it takes more than {task.megabytes:,} MB: take fewer days, or rules with shorter windows"))


def _run(task: Task) -> Finished | Failed:
    span = Span(task.orders_topic, task.since, task.until)
    ruleset = parse_ruleset(task.content, task.name)
    against = None if task.against is None else parse_ruleset(task.against, task.against_name or "against")
    rulesets: list[Ruleset] = [ruleset] if against is None else [ruleset, against]
    settings = DatabaseSettings(database_url=SecretStr(task.database_url))

    async def read(connection: "asyncpg.Connection[asyncpg.Record]") -> tuple[Extent, bool, int]:
        if task.most_history is None:
            return await read_extent(connection, span, rulesets), False, 0
        if await serve_recorded_features(connection, span, rulesets):
            return await read_extent(connection, span, ()), True, 0
        before = await count_before(connection, span, rulesets, task.most_history)
        return await read_extent(connection, span, rulesets), False, before

    extent, recorded, before = run_on_database(settings, read)
    if task.most_history is not None and before > task.most_history:
        return Failed(
            "features of these rules are new or have changed: to compute them, more than "
            f"{task.most_history:,} orders before would be read. A backtest of some days does that in the background"
        )
    if not extent.orders:
        return Failed("no order of these dates is stored")
    _write(Started(extent.orders))
    plan = Plan(span, task.labels_topic, task.content, task.against, recorded)
    tally = run_here(settings, plan, lambda count: _write(Decided(count)))
    result = Backtest(
        task.name,
        task.against_name or "the stored decisions",
        dates_text(task.since, task.until),
        ruleset,
        tally,
        None if extent.retired_before is None else business_date(extent.retired_before),
    )
    report = orjson.dumps(as_document(result, with_reasons=False), option=orjson.OPT_UTC_Z)
    return Finished(msgspec.Raw(report), as_html(result, with_reasons=False))


def _write(message: Message) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


def _end_with_parent() -> None:
    while sys.stdin.buffer.read(1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
