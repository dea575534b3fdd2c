"""The API served over real connections, and clients that write their requests byte by byte."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from order_api.http.server import configuration, listen
from order_api.settings import ApiSettings
from tests.support.waiting import until


class Caller:
    """One connection to the API."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Send, as long as the other side is there."""
        with contextlib.suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return int(head[0].split()[1]), headers, body

    async def problem(self) -> tuple[int, str]:
        """Status and code of the next answer, which is a problem."""
        status, headers, body = await self.answer()
        assert headers["content-type"] == "application/problem+json"
        problem = json.loads(body)
        assert problem["request_id"] == headers["x-request-id"]
        assert problem["status"] == status
        return status, problem["code"]

    async def is_hung_up(self) -> bool:
        """Whether the connection ends, with nothing more to read."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read() == b""
        return True


class Api:
    """A served application."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server, self.port = server, port

    @property
    def connections(self) -> int:
        """How many the server holds."""
        return len(self.server.server_state.connections)

    @asynccontextmanager
    async def call(self) -> AsyncIterator[Caller]:
        """A caller with a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Caller(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def serving_raw(app: FastAPI, settings: ApiSettings) -> AsyncIterator[Api]:
    """The application, served as `order-api serve` does."""
    server = uvicorn.Server(configuration(app, settings))
    with listen("127.0.0.1", 0) as listening:
        serve = asyncio.create_task(server._serve(sockets=[listening]))
        await until(lambda: server.started, "the server to start")
        try:
            yield Api(server, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await serve
