"""Time-out for work that makes no progress, such as requests to a broker that does not respond."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

Result = TypeVar("Result")

CLOSE_SECONDS: Final = 2.0


def describe_kafka_failure(error: Exception) -> str:
    """What the broker did with a request that failed or was ended by its time."""
    return "does not respond" if isinstance(error, TimeoutError) else f"failed ({type(error).__name__})"


class ProgressTimeout:
    """Gives up work that makes no progress; it then ends in the background, as closing its clients may hang, too."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._background: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result], progress: Callable[[], int] = lambda: 0) -> Result:
        """The result of `work`. Raises TimeoutError when neither it nor `progress` moved for `seconds`."""
        task = asyncio.create_task(work)
        try:
            while True:
                before = progress()
                await asyncio.wait({task}, timeout=self.seconds)
                if task.done():
                    return task.result()
                if progress() == before:
                    raise TimeoutError
        finally:
            if not task.done():
                task.cancel()
                self._keep(task)

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run work whose outcome does not matter."""
        self._keep(asyncio.create_task(work))

    async def close(self) -> None:
        """Wait a little for what runs in the background, then cancel it."""
        if self._background:
            _, hanging = await asyncio.wait(self._background, timeout=CLOSE_SECONDS)
            for task in hanging:
                task.cancel()

    def _keep(self, task: "asyncio.Task[Any]") -> None:
        self._background.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: "asyncio.Task[Any]") -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # its outcome does not matter any more
