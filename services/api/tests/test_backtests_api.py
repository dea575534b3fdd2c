"""`/v1/backtests`: from the request to the report, cancelling, bounds, and what survives of a killed API."""

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import asyncpg
import httpx
import orjson
import psutil
import pytest

from order_api.auth.keys import create_key
from order_api.backtests import processes
from order_api.backtests.processes import BacktestLimits, BacktestProcesses
from order_api.backtests.schemas import BacktestPage, BacktestSummary, BacktestWithReport
from order_api.backtests.service import BacktestService
from order_backtests.postgres_source import Span, count_by_hour
from order_backtests.priority import Priority, set_priority
from order_backtests.repository import NewBacktest, State, add_backtest, find_backtest
from tests.support.past_orders import store_past_orders
from tests.support.waiting import until

pytestmark = pytest.mark.integration

RULES = """
review_at: 50
decline_at: 90
rules:
  - {id: large, description: "{amount:,} of {user_id}.", when: amount >= 20_000_000, severity: low, score: 50}
"""
RANGE = {"from": "2026-11-01", "to": "2026-11-04"}
WANTED = {"ruleset": {"draft": RULES}, **RANGE}
SLOW = (
    sys.executable, "-c",
    "import time\nfrom order_backtests import worker\nworker._run = lambda task: time.sleep(600)\nworker.main()",
)  # fmt: skip
GREEDY = (
    sys.executable, "-c",
    "from order_backtests import worker\nworker._run = lambda task: bytearray(8 << 30)\nworker.main()",
)  # fmt: skip


@pytest.fixture
async def orders(database_url: str) -> None:
    await store_past_orders(database_url, date(2026, 11, 1), 3, 3_000)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backtests that take ten minutes."""
    defaults = BacktestProcesses.__init__.__defaults__
    monkeypatch.setattr(BacktestProcesses.__init__, "__defaults__", (SLOW,))
    assert defaults == (processes.WORKER,)


async def request(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    response = await client.post("/v1/backtests", json={**WANTED, **changes})
    assert response.status_code == 202, response.text
    found: dict[str, Any] = response.json()
    assert response.headers["location"] == f"/v1/backtests/{found['id']}"
    BacktestSummary.model_validate(found)
    return found


async def read(client: httpx.AsyncClient, backtest_id: int) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/backtests/{backtest_id}")).raise_for_status().json()
    BacktestWithReport.model_validate(found)
    return found


async def wait_for(client: httpx.AsyncClient, backtest_id: int, *states: str) -> dict[str, Any]:
    async def is_there() -> bool:
        return (await read(client, backtest_id))["state"] in states

    await until(is_there, f"state {states}")
    return await read(client, backtest_id)


@pytest.mark.usefixtures("orders")
async def test_from_the_request_to_the_report(serve: Any) -> None:
    async with serve("review") as client:
        made = await request(client)
        assert made["state"] == "queued"
        # The transport gives the whole response at its end, which comes with the backtest's.
        events = await client.get(f"/v1/backtests/{made['id']}/events")
        assert events.headers["content-type"].startswith("text/event-stream")
        data = [orjson.loads(line[6:]) for line in events.text.splitlines() if line.startswith("data: ")]
        assert data[-1]["state"] == "done"
        found = await read(client, made["id"])
        assert (found["orders"], found["decided"], found["report"]["orders"]) == (3_000, 3_000, 3_000)
        assert found["author"].startswith("test (")
        assert found["report"]["rules"][0]["hits"]["orders"] > 0
        assert "reason" not in found["report"]["examples"][0]["hits"][0]
        page = await client.get(f"/v1/backtests/{made['id']}/report")
        assert page.text.startswith("<!doctype html>")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        again = await request(client, against={"draft": RULES})
        compared = await wait_for(client, again["id"], "done")
        assert compared["report"]["changed"] == 0
        assert compared["against"]["name"] == "draft"


async def test_pages_come_newest_first(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve("review") as client:
        ids = [(await request(client))["id"] for _ in range(3)]
        for each in ids:
            assert (await wait_for(client, each, "failed"))["error"] == "no order of these dates is stored"
        first = (await client.get("/v1/backtests", params={"limit": 2})).json()
        BacktestPage.model_validate(first)
        assert [each["id"] for each in first["items"]] == [ids[2], ids[1]]
        second = (await client.get("/v1/backtests", params={"limit": 2, "cursor": first["next"]})).json()
        assert ([each["id"] for each in second["items"]], second["next"]) == ([ids[0]], None)
        done = (await client.get("/v1/backtests", params={"state": "done"})).json()
        assert done["items"] == []
        assert (await client.get(f"/v1/backtests/{ids[0]}/report")).json()["code"] == "backtest-unfinished"


@pytest.mark.usefixtures("orders")
async def test_orders_are_counted_by_hour_some_hours_at_a_time(connection: asyncpg.Connection) -> None:
    topic = await connection.fetchval("select min(source_topic) from orders")
    since, until = datetime(2026, 11, 1, 3, 30, tzinfo=UTC), datetime(2026, 11, 3, 9, 45, tzinfo=UTC)
    counted = await connection.fetch(
        "select date_trunc('hour', created_date), count(*) from orders "
        "where created_date >= $1 and created_date < $2 group by 1 order by 1",
        since, until,
    )  # fmt: skip
    assert await count_by_hour(connection, Span(topic, since, until)) == [tuple(row) for row in counted]
    assert len(counted) > 50
    assert await count_by_hour(connection, Span("another", since, until)) == []


@pytest.mark.usefixtures("slow")
async def test_one_runs_a_few_wait_and_a_cancelled_one_ends_at_once(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve("review", api_backtests_queued=1, api_backtest_priority="idle") as client:
        first, second = await request(client), await request(client)
        await wait_for(client, first["id"], "running")
        process = worker()
        await until(lambda: os.sched_getscheduler(process.pid) == os.SCHED_IDLE, "the lowest priority")
        assert (await read(client, second["id"]))["state"] == "queued"
        refused = await client.post("/v1/backtests", json=WANTED)
        assert (refused.status_code, refused.json()["code"]) == (503, "too-many-backtests")
        cancelled = await client.delete(f"/v1/backtests/{first['id']}")
        assert cancelled.json()["state"] == "cancelled"
        _, alive = await asyncio.to_thread(psutil.wait_procs, [process], timeout=60)
        assert not alive
        assert (await client.delete(f"/v1/backtests/{first['id']}")).json()["code"] == "backtest-ended"
        await wait_for(client, second["id"], "running")
        # As another process of the API would.
        await connection.execute("update backtests set state = 'cancelled' where id = $1", second["id"])
        other = worker()
        _, alive = await asyncio.to_thread(psutil.wait_procs, [other], timeout=60)
        assert not alive


@pytest.mark.parametrize(("priority", "niceness"), [(Priority.LOW, 15), (Priority.PREVIEW, 5)])
async def test_a_process_is_never_ahead_of_its_parent(priority: Priority, niceness: int) -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    set_priority(process.pid, priority)
    assert psutil.Process(process.pid).nice() == max(niceness, psutil.Process().nice())
    process.kill()
    await process.wait()
    set_priority(process.pid, priority)


@pytest.mark.usefixtures("slow")
async def test_a_stopped_api_leaves_interrupted_backtests(serve: Any, connection: asyncpg.Connection) -> None:
    async with serve("review") as client:
        made = await request(client)
        await wait_for(client, made["id"], "running")
        process = worker()
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    found = await find_backtest(connection, made["id"])
    assert found is not None
    assert found.state is State.INTERRUPTED


async def test_one_without_reports_is_interrupted(serve: Any, connection: asyncpg.Connection) -> None:
    new = NewBacktest(
        author="a", ruleset_name="draft", ruleset_version="v", against_name=None, against_version=None,
        since=await connection.fetchval("select now() - interval '1 day'"),
        until=await connection.fetchval("select now()"),
    )  # fmt: skip
    made = await add_backtest(connection, new)
    await connection.execute("update backtests set state = 'running', reported_at = now() - interval '1 minute'")
    async with serve("review") as client:
        assert (await read(client, made.id))["state"] == "interrupted"
        listed = (await client.get("/v1/backtests", params={"state": "interrupted"})).json()
        assert [each["id"] for each in listed["items"]] == [made.id]
        assert (await client.delete(f"/v1/backtests/{made.id}")).status_code == 409


@pytest.mark.usefixtures("orders")
async def test_the_worker_ends_with_the_process_that_started_it(database_url: str) -> None:
    """A killed API leaves no backtest behind: standard input ends."""
    process = await asyncio.create_subprocess_exec(
        *processes.WORKER, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    assert process.stdin is not None
    process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 60) != 0


async def test_time_and_memory_are_bounded(
    serve: Any, monkeypatch: pytest.MonkeyPatch, service_of: Callable[..., Any]
) -> None:
    monkeypatch.setattr(BacktestProcesses.__init__, "__defaults__", (GREEDY,))
    async with serve("review") as client:
        found = await wait_for(client, (await request(client))["id"], "failed")
        assert found["error"].startswith("it takes more than 2,048 MB")
        service = service_of(client, BacktestService)
        service.processes._limits = BacktestLimits(1, 1, 0.1, 2048)
        service.processes._command = SLOW
        found = await wait_for(client, (await request(client))["id"], "failed")
        assert "it took longer than" in found["error"]
        service.processes._limits = BacktestLimits(1, 1, 60, 2048)
        service.processes._command = (sys.executable, "-c", "raise SystemExit(3)")
        found = await wait_for(client, (await request(client))["id"], "failed")
        assert found["error"] == "its process ended with 3"


async def test_what_cannot_be_run_is_refused(serve: Any, connection: asyncpg.Connection) -> None:
    with_list = RULES.replace("amount >= 20_000_000", "user_id in blocked")
    lists = f"lists: {{blocked: {{kind: block, field: user_id}}}}\n{with_list}"
    async with serve("review") as client:
        for changes, status, code in (
            ({"ruleset": {"draft": "rules: 5"}}, 409, "ruleset-refused"),
            ({"ruleset": {"version": "0" * 16}}, 404, "ruleset-unknown"),
            ({"to": "2026-11-01"}, 409, "backtest-refused"),
            ({"to": "2028-11-01"}, 409, "backtest-refused"),
            ({"from": "yesterday"}, 422, "invalid-request"),
        ):
            response = await client.post("/v1/backtests", json={**WANTED, **changes})
            assert (response.status_code, response.json()["code"]) == (status, code), response.text
        for method, path in (("GET", ""), ("GET", "/report"), ("GET", "/events"), ("DELETE", "")):
            response = await client.request(method, f"/v1/backtests/7{path}")
            assert (response.status_code, response.json()["code"]) == (404, "backtest-unknown")
        _, key = await create_key(connection, "narrow", "review", scopes=["orders"])
        narrow = {"Authorization": f"Bearer {key}"}
        refused = await client.post("/v1/backtests", json={**WANTED, "ruleset": {"draft": lists}}, headers=narrow)
        assert (refused.status_code, refused.json()["code"]) == (403, "not-permitted")
    async with serve("read") as client:
        assert (await client.post("/v1/backtests", json=WANTED)).status_code == 403
    async with serve("review", api_mask_personal_data="review") as client:
        assert (await client.post("/v1/backtests", json=WANTED)).status_code == 403


def worker() -> psutil.Process:
    """The process of the backtest that runs."""
    found = [
        child for child in psutil.Process().children(recursive=True) if "time.sleep(600)" in " ".join(child.cmdline())
    ]
    assert len(found) == 1
    return found[0]
