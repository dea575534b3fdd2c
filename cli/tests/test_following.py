"""Following decisions: nothing is missed when the connection is lost, and that is reported."""

from collections.abc import Iterator
from itertools import islice

import orjson
import pytest

from order_platform.command_line.errors import CommandError, UnavailableError
from orderwatch.api_client import ApiClient, ApiProblem
from orderwatch.decision_stream import LONGEST_PAUSE, DecisionStream
from tests.support.scripted_server import Answer, ScriptedServer


class Following:
    """A stream, with what it said and how long it waited."""

    def __init__(self, url: str, **filters: str) -> None:
        self.said: list[str] = []
        self.pauses: list[float] = []
        self._api = ApiClient(url, "ow_key")
        self._stream = DecisionStream(self._api, filters, self.said.append, self.pauses.append)

    def take(self, count: int) -> list[str]:
        """The order ids of the next decisions."""
        with self._api:
            return [decision["order_id"] for decision in islice(self._stream, count)]


def stream(*blocks: str) -> Answer:
    return Answer("".join(f"{block}\n\n" for block in blocks).encode(), content_type="text/event-stream")


def decision(order_id: str, place: str) -> str:
    return f"id: {place}\nevent: decision\ndata: {orjson.dumps({'order_id': order_id}).decode()}"


def problem(status: int, code: str, **headers: str) -> Answer:
    body = orjson.dumps({"status": status, "code": code, "detail": code})
    return Answer(body, status, "application/problem+json", headers)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    with ScriptedServer(request.param) as server:
        yield server


@pytest.mark.parametrize(
    "server",
    [
        [
            stream(": hello", decision("a", "0:1,1:0"), ": ping", decision("b", "0:1,1:1")),
            stream(decision("c", "0:2,1:1")),
        ]
    ],
    indirect=True,
)
def test_it_resumes_after_the_last_decision(server: ScriptedServer) -> None:
    following = Following(server.url, flagged="true")
    assert following.take(3) == ["a", "b", "c"]
    first, second = server.requests
    assert first.path == "/v1/decisions/stream"
    assert first.query == second.query == {"flagged": "true"}
    assert first.headers["authorization"] == "Bearer ow_key"
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "0:1,1:1"
    assert following.said == [
        f"connected to {server.url}",
        "listening from now on; Ctrl-C ends",
        "the API ended the stream; trying again until it works",
        "connected again, resuming after the last decision received",
    ]


@pytest.mark.parametrize(
    "server",
    [
        [
            stream(decision("a", "0:1")),
            problem(503, "shutting-down"),
            problem(429, "too-many-requests", **{"Retry-After": "40"}),
            Answer(b"", 502, "text/html"),
            stream(decision("b", "0:2")),
        ]
    ],
    indirect=True,
)
def test_it_waits_longer_each_time_and_as_long_as_it_is_asked_to(server: ScriptedServer) -> None:
    following = Following(server.url)
    assert following.take(2) == ["a", "b"]
    assert len(following.pauses) == 4
    assert 0 < following.pauses[0] < following.pauses[1] <= following.pauses[3] <= LONGEST_PAUSE
    assert following.pauses[2] == 40
    # Said once when it was lost and once when it recovered, however many attempts there were.
    assert len(following.said) == 2 + 2


@pytest.mark.parametrize(
    "server", [[stream("retry: 9000\nid: 0:7\ndata:"), stream(decision("a", "0:8"))]], indirect=True
)
def test_the_server_sets_where_it_starts_and_when_to_reconnect(server: ScriptedServer) -> None:
    following = Following(server.url)
    assert following.take(1) == ["a"]
    assert server.requests[1].headers["last-event-id"] == "0:7"
    assert following.pauses[0] >= 4.5


@pytest.mark.parametrize(
    "server",
    [[stream(decision("a", "0:1")), stream("id: 0:500\nevent: reset\ndata: {}", decision("z", "0:501"))]],
    indirect=True,
)
def test_a_gap_beyond_retention_is_reported(server: ScriptedServer) -> None:
    following = Following(server.url)
    assert following.take(2) == ["a", "z"]
    assert "not kept any more" in following.said[-1]


@pytest.mark.parametrize("server", [[stream(": nothing yet"), stream(decision("a", "0:1"))]], indirect=True)
def test_a_gap_that_cannot_be_closed_is_reported(server: ScriptedServer) -> None:
    following = Following(server.url)
    assert following.take(1) == ["a"]
    assert "connected again; what was decided in the meantime is not shown" in following.said


@pytest.mark.parametrize("server", [[problem(401, "not-authenticated")]], indirect=True)
def test_a_key_that_is_refused_ends_it(server: ScriptedServer) -> None:
    with pytest.raises(ApiProblem, match="not-authenticated") as caught:
        Following(server.url).take(1)
    assert "order-api keys create" in caught.value.advice


@pytest.mark.parametrize(
    "server",
    [[stream(decision("a", "0:1")), problem(403, "not-permitted")], [problem(503, "unavailable")]],
    indirect=True,
)
def test_what_will_not_pass_and_a_first_attempt_that_fails_end_it(server: ScriptedServer) -> None:
    with pytest.raises(ApiProblem):
        Following(server.url).take(2)


@pytest.mark.parametrize("server", [[Answer(b"<html>", content_type="text/html")]], indirect=True)
def test_another_server_is_recognised(server: ScriptedServer) -> None:
    with pytest.raises(CommandError, match="is not a valid event stream"):
        Following(server.url).take(1)


@pytest.mark.parametrize("server", [[]], indirect=True)
def test_an_unavailable_api_is_named(server: ScriptedServer) -> None:
    with pytest.raises(UnavailableError, match=server.url):
        Following(server.url).take(1)
