"""Long polling for orders: however many requests wait, one query at a time looks for all of their orders.

A query follows each notification of inserted rows; a few every second follow none, as notifications can be lost.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final

from order_api.http.problems.availability import DatabaseUnavailable, ShuttingDown, TooManyWaiting
from order_api.http.problems.requests import ClientDisconnected
from order_api.orders.repository import Recorded

Look = Callable[[Sequence[str]], Awaitable[Mapping[str, Recorded]]]
"""Which of these order ids are recorded by now, and as what."""

MAX_WAITING: Final = 10_000
# Between queries when MANY_WAITING requests or more wait, and in proportion below: by then a query has hundreds of ids
# to look up, and 25 ms are not noticed.
PAUSE_SECONDS: Final = 0.025
MANY_WAITING: Final = 1000
# How long a query waits for a notification.
NOTIFY_SECONDS: Final = 0.025
UNAVAILABLE_SECONDS: Final = 0.25
# Without a notification, dead letters are looked for once in so many rounds: most orders become rows.
DEAD_LETTER_ROUNDS: Final = 10


class OrderLongPoll:
    """Requests that wait for an order id. Nothing runs while none waits, and a waiting request holds no connection."""

    def __init__(
        self,
        find_orders: Look,
        find_dead_letters: Look,
        max_waiting: int = MAX_WAITING,
        *,
        notify_seconds: float = NOTIFY_SECONDS,
        unavailable_seconds: float = UNAVAILABLE_SECONDS,
    ) -> None:
        self._notify_seconds = notify_seconds
        self._unavailable_seconds = unavailable_seconds
        self._find_orders = find_orders
        self._find_dead_letters = find_dead_letters
        self._max_waiting = max_waiting
        self._look_again = asyncio.Event()
        self._dead_letters_notified = False
        self._waiting: dict[str, list[asyncio.Future[Recorded]]] = {}
        self._count = 0
        self._polling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def count(self) -> int:
        """Requests that wait at the moment."""
        return self._count

    def on_notify(self, table: str) -> None:
        """Handle a NOTIFY: rows were inserted into `table`, `orders` or `stream_outcomes` with the dead letters."""
        if table != "orders":
            self._dead_letters_notified = True
        self._look_again.set()

    async def wait(
        self, order_id: str, seconds: float, wait_for_disconnect: Callable[[], Coroutine[None, None, object]]
    ) -> Recorded | None:
        """What `order_id` is recorded as, or None when it is not recorded after `seconds`.

        When `wait_for_disconnect` returns, this raises ClientDisconnected. Raises TooManyWaiting, and ShuttingDown when
        `close` is called in the meantime.
        """
        if self._closed:
            raise ShuttingDown
        if self._count >= self._max_waiting:
            raise TooManyWaiting(self._max_waiting)
        future = self._enter(order_id)
        watch = asyncio.create_task(wait_for_disconnect())
        watch.add_done_callback(lambda _: _fail(future, ClientDisconnected()))
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return None
        finally:
            watch.cancel()
            self._leave(order_id, future)

    def close(self) -> None:
        """End all waiting with ShuttingDown, and accept no more."""
        self._closed = True
        if self._polling is not None:
            self._polling.cancel()
        self._fail_all(ShuttingDown)

    def _enter(self, order_id: str) -> asyncio.Future[Recorded]:
        future: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(order_id, []).append(future)
        self._count += 1
        self._look_again.set()
        if self._polling is None:
            self._start()
        return future

    def _start(self) -> None:
        self._polling = asyncio.create_task(self._poll())
        self._polling.add_done_callback(self._on_poll_done)

    def _leave(self, order_id: str, future: asyncio.Future[Recorded]) -> None:
        self._count -= 1
        if future.done() and not future.cancelled():
            future.exception()  # seen, also when a time-out was quicker to end the waiting
        futures = self._waiting[order_id]
        futures.remove(future)
        if not futures:
            del self._waiting[order_id]

    async def _poll(self) -> None:
        """Look again and again, until no request waits."""
        clock = asyncio.get_running_loop().time
        rounds = 0
        while self._waiting:
            started = clock()
            pause = PAUSE_SECONDS * min(self._count / MANY_WAITING, 1)
            # Cleared before looking: what is notified in the meantime is looked for in the next round.
            self._look_again.clear()
            dead_letters_notified, self._dead_letters_notified = self._dead_letters_notified, False
            try:
                await self._look(self._find_orders)
                if dead_letters_notified or rounds % DEAD_LETTER_ROUNDS == 0:
                    await self._look(self._find_dead_letters)
                rounds += 1
            except DatabaseUnavailable:
                pause = (
                    self._unavailable_seconds
                )  # it may recover in time; if not, the request's own last look-up fails
            # A slow database is asked less often, so that waiting never takes more than half of it.
            took = clock() - started
            await asyncio.sleep(max(pause, took if took > PAUSE_SECONDS else 0))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._notify_seconds):
                    await self._look_again.wait()

    def _on_poll_done(self, polling: asyncio.Task[None]) -> None:
        self._polling = None
        error = None if polling.cancelled() else polling.exception()
        if error is not None:
            # A bug: the requests that wait fail with it, the next one starts again.
            self._fail_all(lambda: error)
        elif self._waiting and not self._closed:
            self._start()  # a request arrived just as it ended

    async def _look(self, find: Look) -> None:
        order_ids = [order_id for order_id, futures in self._waiting.items() if not all(map(_is_done, futures))]
        if not order_ids:
            return
        for order_id, recorded in (await find(order_ids)).items():
            for future in self._waiting.get(order_id, ()):
                if not future.done():
                    future.set_result(recorded)

    def _fail_all(self, make_error: Callable[[], BaseException]) -> None:
        for futures in self._waiting.values():
            for future in futures:
                _fail(future, make_error())


def _is_done(future: asyncio.Future[Recorded]) -> bool:
    return future.done()


def _fail(future: asyncio.Future[Recorded], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
