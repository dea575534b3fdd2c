"""Requests a second of the API against a bare handler of the same rows: an order by id, and a page of 50 flags."""

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import asyncpg
import httpx
import psutil

from order_api.auth.keys import create_key
from tests.benchmarks.stack import Stack
from tests.support.past_orders import store_past_orders
from tests.support.ports import free_port
from tests.support.waiting import until

CONNECTIONS = 16
ORDERS = 50_000
PATHS = {"order by id": "/v1/orders/{order_id}", "page of 50 flags": "/v1/flags?limit=50"}


@dataclass(frozen=True, slots=True)
class ApiSpeed:
    """Requests a second of both, measured one after the other, and their own CPU in microseconds a request.

    The CPU says more on a machine that is busy with something else.
    """

    request: str
    api: float
    bare: float
    api_cpu: float
    bare_cpu: float

    @property
    def ratio(self) -> float:
        return self.api / self.bare


async def measure_api(stack: Stack, pairs: int, seconds: float, say: Callable[[str], None]) -> list[ApiSpeed]:
    """`pairs` of measurements of each request, in turn."""
    async with stack.place() as place:
        say(f"storing {ORDERS:,} orders")
        await store_past_orders(place.database_url, date(2026, 11, 20), 1, ORDERS)
        connection = await asyncpg.connect(place.database_url)
        await connection.execute("vacuum analyze orders")
        order_id = await connection.fetchval("select order_id from orders order by created_date offset $1", ORDERS // 2)
        _, key = await create_key(connection, "benchmark", "read")
        await connection.close()
        api, bare = free_port(), free_port()
        # No limit is to be the result.
        limits = {"ORDERWATCH_API_PORT": str(api), "ORDERWATCH_API_KEY_LIMIT": "100000000/minute"}
        found = []
        with (
            place.process("order_api", "serve", **limits) as api_process,
            place.process("tests.benchmarks.bare_api", place.database_url, str(bare)) as bare_process,
        ):
            for port in (api, bare):
                await _answers(port, key, order_id)
            for _ in range(pairs):
                for name, path in PATHS.items():
                    say(f"{name}: the API against a bare handler")
                    target = path.format(order_id=order_id)
                    of_api = await _measured(api_process, api, target, key, seconds)
                    of_bare = await _measured(bare_process, bare, target, key, seconds)
                    found.append(ApiSpeed(name, of_api[0], of_bare[0], of_api[1], of_bare[1]))
        return found


async def _answers(port: int, key: str, order_id: str) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:

        async def is_there() -> bool:
            try:
                response = await client.get(f"http://127.0.0.1:{port}/v1/orders/{order_id}")
            except httpx.TransportError:
                return False
            return response.status_code == httpx.codes.OK

        await until(is_there, f"port {port} to answer")


async def _measured(process: psutil.Process, port: int, path: str, key: str, seconds: float) -> tuple[float, float]:
    """Requests a second, and the process's CPU in microseconds a request."""
    before = sum(process.cpu_times()[:2])
    started = time.perf_counter()
    speed = await _speed(port, path, key, seconds)
    requests = speed * (time.perf_counter() - started)
    return speed, (sum(process.cpu_times()[:2]) - before) / requests * 1e6


async def _speed(port: int, path: str, key: str, seconds: float) -> float:
    """Requests a second over 16 connections, each of which asks again when it has been answered.

    By wrk where it is installed, as it leaves more of the machine to both; else by our own client.
    """
    if wrk := shutil.which("wrk"):
        return await _wrk(wrk, port, path, key, seconds)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
    end = time.perf_counter() + seconds

    async def ask() -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        count = 0
        while time.perf_counter() < end:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
            count += 1
        writer.close()
        await writer.wait_closed()
        return count

    started = time.perf_counter()
    total = sum(await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))
    return total / (time.perf_counter() - started)


async def _wrk(wrk: str, port: int, path: str, key: str, seconds: float) -> float:
    options = ["-t1", f"-c{CONNECTIONS}", f"-d{max(round(seconds), 1)}s", "-H", f"Authorization: Bearer {key}"]
    process = await asyncio.create_subprocess_exec(
        wrk, *options, f"http://127.0.0.1:{port}{path}", stdout=asyncio.subprocess.PIPE
    )
    report = (await process.communicate())[0].decode()
    assert "Non-2xx" not in report, report
    found = re.search(r"Requests/sec:\s+([0-9.]+)", report)
    assert found is not None, report
    return float(found[1])
