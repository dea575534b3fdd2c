"""Client of the API's stream of decisions; reconnects without a gap when the connection is lost."""

import random
import time
from collections.abc import Callable, Iterator, Mapping

import httpx
import orjson
from httpx_sse import ServerSentEvent, SSEError, connect_sse

from order_platform.command_line.errors import CommandError
from orderwatch.api_client import ApiClient, ApiProblem, Fields, raise_for_problem

PATH = "/v1/decisions/stream"
# The API keeps a quiet stream alive with comments: a longer silence is a connection that was lost.
TIMEOUT = httpx.Timeout(5.0, read=60.0)
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0

Notify = Callable[[str], None]
"""Reports a change of the connection to a person."""


class DecisionStream:
    """Follows the stream from now on, with the API's filters: iterate over it, without end.

    The first connection raises what is wrong (UnavailableError, ApiProblem). One that is lost later is made again, and
    resumes after the last decision received. `pause` waits between attempts.
    """

    def __init__(
        self,
        api: ApiClient,
        filters: Mapping[str, str | int],
        notify: Notify,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._api = api
        self._filters = filters
        self._notify = notify
        self._pause = pause
        self._first_pause = FIRST_PAUSE
        self._last_id = ""
        self._connected_once = False
        self._failures = 0

    def __iter__(self) -> Iterator[Fields]:
        while True:
            at_least = 0.0
            try:
                for event in self._read_events():
                    yield from self._read_decisions(event)
                problem = "the API ended the stream"
            except httpx.TransportError as error:
                if not self._connected_once:
                    raise self._api.unreachable_error(error) from error
                problem = f"the connection was lost ({str(error) or type(error).__name__})"
            except ApiProblem as error:
                if not (self._connected_once and error.is_temporary):
                    raise
                problem, at_least = str(error), error.retry_after
            self._wait(problem, at_least)

    def _read_events(self) -> Iterator[ServerSentEvent]:
        """The events of one connection."""
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        url = f"{self._api.url}{PATH}"
        with connect_sse(self._api.http, "GET", url, params=self._filters, headers=headers, timeout=TIMEOUT) as source:
            if not source.response.is_success:
                source.response.read()
            raise_for_problem(source.response)
            self._report_connection()
            try:
                yield from source.iter_sse()
            except SSEError as error:
                raise CommandError(
                    f"{url} is not a valid event stream: {error}", "Check ORDERWATCH_API_URL."
                ) from error

    def _report_connection(self) -> None:
        if not self._connected_once:
            self._notify(f"connected to {self._api.url}")
        elif self._last_id:
            self._notify("connected again, resuming after the last decision received")
        else:
            self._notify("connected again; what was decided in the meantime is not shown")
        self._connected_once = True

    def _read_decisions(self, event: ServerSentEvent) -> Iterator[Fields]:
        """The decision in an event, if it is one."""
        if event.id:
            # The first id is where the API began to listen, which takes it a moment for the first client.
            if not self._last_id:
                self._notify("listening from now on; Ctrl-C ends")
            self._last_id = event.id
        if event.retry is not None:
            self._first_pause = event.retry / 1000
        if event.event == "decision":
            self._failures = 0
            yield orjson.loads(event.data)
        elif event.event == "reset":
            self._notify("decisions of the meantime are not kept any more; resuming with the oldest that are")

    def _wait(self, problem: str, at_least: float) -> None:
        """Wait before the next attempt: longer each time, and not in step with all the others that lost theirs."""
        if not self._failures:
            self._notify(f"{problem}; trying again until it works")
        longest = min(LONGEST_PAUSE, self._first_pause * 2**self._failures)
        self._failures += 1
        self._pause(max(at_least, random.uniform(longest / 2, longest)))  # noqa: S311  (no secret)
