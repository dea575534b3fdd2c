"""The workbench over a real system: a detector, the API with its pages, people who sign in, and a browser."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import asyncpg
from aiokafka import AIOKafkaProducer
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

from order_api.auth import people
from order_api.auth.keys import Role
from order_platform.kafka.topics import MAX_ORDER_BYTES, RECORD_OVERHEAD
from order_platform.settings import KafkaSettings
from tests.support.api import ApiProcess
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.own_loop import run_on_own_loop

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
AXE: Final = Path("services/workbench/frontend/node_modules/axe-core/axe.min.js").absolute()
# As root Chromium's sandbox cannot be; it visits our own pages alone.
CHROMIUM_OPTIONS: Final = (
    "--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip

THEMES: Final[Sequence[Literal["light", "dark"]]] = ("light", "dark")

PATIENCE_MS: Final = 180_000
"""How long a page may take: a busy machine must not fail a test."""


def make_order(order_id: str, **changes: Any) -> dict[str, Any]:
    """An order event that the default rules flag, as it comes from abroad."""
    return {
        "order_id": order_id, "user_id": f"user of {order_id}"[:64], "product_id": "p-1", "quantity": 1,
        "amount": 5_000_000, "payment_method": "QRIS", "country": "SG", "created_date": "2026-11-22T10:00:00+07:00",
        **changes,
    }  # fmt: skip


@dataclass(frozen=True)
class WorkbenchSystem:
    """What the pages show: orders that a detector decides, and an API that serves them."""

    kafka: KafkaSettings
    database_url: str
    api: ApiProcess

    def publish(self, orders: Iterable[Mapping[str, Any]]) -> None:
        """Publish order events, and wait until they are decided."""
        run_on_own_loop(self._publish([json.dumps(order).encode() for order in orders]))

    def sign_in_link(self, name: str = "Dina", role: Role | str = Role.ADMIN) -> str:
        """A link that signs a person in."""
        return run_on_own_loop(self._invite(name, Role(role)))

    def execute(self, statement: str, *values: object) -> list[asyncpg.Record]:
        """Rows of a statement on the database."""

        async def run() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return await connection.fetch(statement, *values)
            finally:
                await connection.close()

        return run_on_own_loop(run())

    async def _invite(self, name: str, role: Role) -> str:
        connection = await asyncpg.connect(self.database_url)
        try:
            _, code = await people.invite(connection, name, role)
            return people.sign_in_link(self.api.url, code)
        finally:
            await connection.close()

    async def _publish(self, messages: list[bytes]) -> None:
        largest = MAX_ORDER_BYTES + RECORD_OVERHEAD
        async with AIOKafkaProducer(**self.kafka.client_options(), max_request_size=largest) as producer:
            for message in messages:
                await producer.send(self.kafka.orders_topic, message)
        await until_consumed(self.kafka, "the orders to be decided")


@contextmanager
def serve_workbench(kafka: KafkaSettings, database_url: str, folder: Path) -> Iterator[WorkbenchSystem]:
    """Run a detector and the API until the end."""
    with ExitStack() as stack:
        stack.enter_context(DetectorProcess(kafka, database_url, folder / "detector.log"))
        # Other tests may use all cores for as long as one waits for a backtest.
        priority = {"ORDERWATCH_API_BACKTEST_PRIORITY": "low"}
        api = stack.enter_context(ApiProcess(kafka, database_url, folder / "api.log", **priority))
        yield WorkbenchSystem(kafka, database_url, api)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A signed-in person's tab, with what went wrong in it."""

    def __init__(self, context: BrowserContext, base_url: str) -> None:
        context.set_default_timeout(PATIENCE_MS)
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self._base_url = base_url
        self.page.on("pageerror", self._note_error)
        self.page.on("console", self._note_message)
        self.page.on("dialog", self._note_dialog)
        self.page.on("request", self._check_origin)

    def goto(self, path: str) -> int:
        """Open a path; returns the status."""
        response = self.page.goto(self._base_url + path)
        assert response is not None
        self.wait_for_parts()
        return response.status

    def wait_for_parts(self) -> None:
        """Wait for the parts that are loaded after the page: leaving earlier breaks off their requests, a fault."""
        expect(self.page.locator("[hx-get].htmx-request")).to_have_count(0, timeout=PATIENCE_MS)

    def find_accessibility_faults(self) -> list[str]:
        """What axe finds on the page as it is: rule, and the first element."""
        self.page.evaluate(AXE.read_text())
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found["violations"]]

    def find_accessibility_faults_of_themes(self) -> list[str]:
        """The same in either theme, of the page as it is: to open a page again for the other costs more than axe."""
        faults: list[str] = []
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme)
            faults += (f"{theme}: {fault}" for fault in self.find_accessibility_faults())
        return faults

    def _note_error(self, error: Error) -> None:
        self.faults.append(f"script: {error}")

    def _note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def _note_dialog(self, dialog: Dialog) -> None:
        # Our pages open none: a script of a hostile value did.
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _check_origin(self, request: Request) -> None:
        if not request.url.startswith((self._base_url, "data:")):
            self.faults.append(f"requests from another origin: {request.url}")


SignIn = Callable[..., Visit]
"""`sign_in(name, role, **options of the browser's context)`."""
