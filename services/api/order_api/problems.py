"""Everything that can go wrong, as RFC 9457 problems: one exception class a problem type, one place that renders them.

Problem
├── InvalidRequest          422   a parameter that is not what the documentation says
├── NotAuthenticated        401   no valid API key
├── NotPermitted            403   a key whose role is too small
├── NotFound                404   no such route
├── MethodNotAllowed        405
├── NotAcceptable           406   the caller does not take what this sends
├── OrderUnknown            404   not stored: never published, or not decided yet
├── OrderDeadLettered       404   published, but bad data
├── UserUnknown             404   no order of theirs is stored
├── NoSession               404   nothing to end
├── DeadLetterUnknown       404   nothing of this origin was refused
├── DeadLetterGone          410   its bytes are on no topic any more
├── AlreadyRedriven         409   its redrive is under way, or went well
├── ConflictStands          409   another order has this id
├── CorrectionRefused       409   no order event either
├── CursorUnknown           404   not a cursor of ours for these filters
├── CallerLeft              499   nobody reads this one
├── InternalError           500   a bug of ours
└── Unavailable             503   try again
    ├── DatabaseUnavailable
    ├── QueryTooSlow
    ├── BrokerUnavailable
    ├── TooManyWaiting
    ├── TooManyListening
    ├── ShuttingDown
    └── NotReady

`refusals.py` holds those of requests that are refused before anybody looks at what they ask for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from order_api.orders.stored import DeadLetter
from order_api.responses import json_response

MEDIA_TYPE = "application/problem+json"
MAX_SHOWN = 120
_UNREADABLE_BODY = 400


class Problem(Exception):
    """Raised anywhere, answered as problem+json. The class docstring explains the type at `/problems/{code}`.

    `members` are further members of the answer, `headers` further headers.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(
        self, detail: str, *, headers: Mapping[str, str] | None = None, members: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.members = members or {}


class InvalidRequest(Problem):
    """A parameter is not what the documentation says. `errors` names each one with its value and what is wrong."""

    status = 422
    code = "invalid-request"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[Mapping[str, object]]) -> None:
        named = "; ".join(f"{error['field']}: {error['message']}, got {error['value']!r}" for error in errors)
        super().__init__(named, members={"errors": errors})


class NotAuthenticated(Problem):
    """The request needs a valid API key, as `Authorization: Bearer KEY`. `order-api keys create` makes one.

    Browsers exchange it for a session with `POST /v1/session`; a session ends by itself, and with its key.
    """

    status = 401
    code = "not-authenticated"
    title = "A valid API key is needed"

    def __init__(self, detail: str, challenge: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class NotPermitted(Problem):
    """The API key is valid, but its role does not include this.

    Roles are read, review and admin; each includes the ones before it.
    """

    status = 403
    code = "not-permitted"
    title = "The API key's role does not permit this"


class NotFound(Problem):
    """There is nothing at this path. `/docs` and `/openapi.json` say what there is."""

    status = 404
    code = "not-found"
    title = "There is nothing at this path"


class MethodNotAllowed(Problem):
    """The path exists, but not for this method. Header `Allow` names those it exists for."""

    status = 405
    code = "method-not-allowed"
    title = "The path does not take this method"

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(f"the path takes {methods}", headers={"Allow": methods})


class NotAcceptable(Problem):
    """Header `Accept` admits none of the media types that this path answers with. Add the one named, or `*/*`."""

    status = 406
    code = "not-acceptable"
    title = "The caller does not take what this path answers with"

    def __init__(self, media_type: str) -> None:
        super().__init__(f"this answers with {media_type}, which header Accept does not admit")


class OrderUnknown(Problem):
    """No decision on this order is stored: it was never published, or the detector has not come to it yet.

    `lag` counts the messages that the detector has still to decide (null when the broker cannot be asked): with a
    lag of 0 the order was not published. Ask again after `Retry-After` seconds, or let the API wait with `?wait=5s`.
    """

    status = 404
    code = "order-unknown-or-undecided"
    title = "The order is unknown or not decided yet"

    def __init__(self, lag: int | None) -> None:
        if lag is None:
            known = "how many messages wait for the detector cannot be told now"
        else:
            known = f"{lag} messages wait for the detector"
        super().__init__(
            f"no decision on this order is stored; {known}", headers={"Retry-After": "1"}, members={"lag": lag}
        )


class OrderDeadLettered(Problem):
    """The order was published, but its message is bad data, so nothing was decided.

    `error_type` and `error` say what is wrong with it, `source` where it came from; topic `orders.dlq` keeps the
    original bytes under that key. Publish a corrected message under the same order id.
    """

    status = 404
    code = "order-dead-lettered"
    title = "The order's message is bad data"

    def __init__(self, letter: DeadLetter) -> None:
        super().__init__(
            f"the message of this order is bad data: {letter.error}",
            members={
                "error_type": letter.error_type,
                "error": letter.error,
                "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
                "recorded_at": letter.recorded_at,
            },
        )


class UserUnknown(Problem):
    """No order of this user is stored, so there is nothing to tell: users are known by their orders here."""

    status = 404
    code = "user-unknown"
    title = "The user has no orders"

    def __init__(self) -> None:
        super().__init__("no order of this user is stored")


class NoSession(Problem):
    """The call came with a key and without a session's cookie, so there is no session to end."""

    status = 404
    code = "no-session"
    title = "There is no session"

    def __init__(self) -> None:
        super().__init__("no session's cookie came along")


class DeadLetterUnknown(Problem):
    """No message of this origin was refused: it became an order, or it was never published.

    `GET /v1/dead-letters` lists those that were refused.
    """

    status = 404
    code = "dead-letter-unknown"
    title = "No dead letter has this origin"

    def __init__(self, origin: str) -> None:
        super().__init__(f"no dead letter has the origin {origin}")


class DeadLetterGone(Problem):
    """The original bytes are gone by retention, from topic `orders` and from `orders.dlq`.

    Redrive it with a corrected body, or publish the order again at its source.
    """

    status = 410
    code = "dead-letter-gone"
    title = "The dead letter's bytes are gone"

    def __init__(self, origin: str) -> None:
        super().__init__(f"the bytes of {origin} are on no topic any more; redrive it with a corrected body")


class AlreadyRedriven(Problem):
    """The dead letter was redriven, and that is under way or went well. `again` redrives it all the same."""

    status = 409
    code = "already-redriven"
    title = "The dead letter was redriven already"


class ConflictStands(Problem):
    """The letter is a conflict: another order stands under its id, and a redrive will be a conflict again.

    Find out which of the two is right. `again` redrives it all the same, best with a body that has another order id.
    """

    status = 409
    code = "conflict-stands"
    title = "Another order stands under this id"


class CorrectionRefused(Problem):
    """The corrected body is no order event either: it would only be a dead letter again.

    `detail` names field and value, `error_type` is the one that it would be refused with.
    """

    status = 409
    code = "correction-refused"
    title = "The corrected body is no order event"

    def __init__(self, detail: str, error_type: str) -> None:
        super().__init__(detail, members={"error_type": error_type})


class CursorUnknown(Problem):
    """The cursor is none that this API gave out for these filters. Start again without it.

    A cursor is `next` of an earlier page and serves the same path and filters only; `limit` may change.
    """

    status = 404
    code = "cursor-unknown"
    title = "No page has this cursor"

    def __init__(self) -> None:
        super().__init__("the cursor was changed, or belongs to other filters; start again without it")


class MartUnknown(Problem):
    """The batch side has published no mart of this name: `/v1/marts` lists them. There are none before its first run.

    `make batch DATE=...` runs it for a business date; Airflow does so every night.
    """

    status = 404
    code = "mart-unknown"
    title = "There is no such mart"

    def __init__(self, name: str) -> None:
        super().__init__(f"no mart {name} is published")


class CallerLeft(Problem):
    """The caller hung up before the answer was there; only logs and metrics see this."""

    status = 499
    code = "caller-left"
    title = "The caller left"

    def __init__(self) -> None:
        super().__init__("the caller closed the connection")


class InternalError(Problem):
    """A bug of ours. The log has the details under `request_id`."""

    status = 500
    code = "internal-error"
    title = "Something went wrong on our side"

    def __init__(self) -> None:
        super().__init__("an unexpected error; report it with the request id")


class Unavailable(Problem):
    """Not now: ask again after `Retry-After` seconds."""

    status = 503
    code = "unavailable"
    title = "Not available at the moment"
    retry_after: ClassVar[int] = 1

    def __init__(self, detail: str, *, members: Mapping[str, object] | None = None) -> None:
        super().__init__(detail, headers={"Retry-After": str(self.retry_after)}, members=members)


class DatabaseUnavailable(Unavailable):
    """Postgres cannot be reached, or its schema is not migrated. Orders are safe: the stream catches up by itself."""

    code = "database-unavailable"
    title = "The database cannot be reached"

    def __init__(self) -> None:
        super().__init__("Postgres cannot be reached; orders are safe and appear once it is back")


class QueryTooSlow(Unavailable):
    """The question takes longer than the API lets one take. Narrow it: a time range with `from` and `to` helps most."""

    code = "query-too-slow"
    title = "The question takes too long to answer"
    retry_after = 10

    def __init__(self, seconds: float) -> None:
        super().__init__(f"no answer within {seconds:g} seconds; narrow the filters, best with `from` and `to`")


class BrokerUnavailable(Unavailable):
    """Kafka cannot be reached, so nothing can be read from a topic or published. Orders are safe."""

    code = "broker-unavailable"
    title = "The broker cannot be reached"

    def __init__(self, detail: str = "Kafka cannot be reached") -> None:
        super().__init__(detail)


class TooManyWaiting(Unavailable):
    """As many requests as the API holds are waiting for orders already. Ask again, or without `wait`."""

    code = "too-many-waiting"
    title = "Too many requests are waiting"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are waiting for orders already")


class TooManyListening(Unavailable):
    """As many streams as the API holds are open already. Come back with the last id: nothing is missed."""

    code = "too-many-listening"
    title = "Too many streams are open"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} streams of decisions are open already")


class ShuttingDown(Unavailable):
    """The API is being stopped or restarted; waiting requests are let go at once. Ask again."""

    code = "shutting-down"
    title = "The API is shutting down"

    def __init__(self) -> None:
        super().__init__("the API is shutting down")


class NotReady(Unavailable):
    """Something that the API depends on cannot be reached; `checks` names it. The process itself is alive."""

    code = "not-ready"
    title = "The API is not ready"


def problem_types() -> dict[str, type[Problem]]:
    """All types that are answered over HTTP, by code."""

    def below(base: type[Problem]) -> Iterator[type[Problem]]:
        for kind in base.__subclasses__():
            yield kind
            yield from below(kind)

    return {kind.code: kind for kind in below(Problem) if kind is not CallerLeft}


def problem_response(request: Request, problem: Problem) -> Response:
    """The answer to a request."""
    body = problem_members(problem, request.state.request_id)
    return json_response(body, problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


def problem_content(problem: Problem, request_id: str) -> bytes:
    """The answer's body, for where there is no request yet."""
    return orjson.dumps(problem_members(problem, request_id))


def problem_members(problem: Problem, request_id: str) -> dict[str, Any]:
    """What an answer says."""
    return {
        "type": f"/problems/{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "request_id": request_id,
        **problem.members,
    }


async def handle_problem(request: Request, error: Exception) -> Response:
    """For Problem."""
    assert isinstance(error, Problem)
    return problem_response(request, error)


async def handle_validation(request: Request, error: Exception) -> Response:
    """For what FastAPI finds wrong with parameters."""
    assert isinstance(error, RequestValidationError)
    return problem_response(request, InvalidRequest([_named(item) for item in error.errors()]))


async def handle_http(request: Request, error: Exception) -> Response:
    """For what FastAPI itself raises: unknown paths and methods, bodies that are no text."""
    assert isinstance(error, HTTPException)
    if error.status_code == _UNREADABLE_BODY:
        named = {"in": "body", "field": "body", "value": None, "message": "is not JSON in UTF-8"}
        return problem_response(request, InvalidRequest([named]))
    if error.status_code == MethodNotAllowed.status:
        return problem_response(request, MethodNotAllowed(_allowed_methods(request)))
    if error.status_code == NotFound.status:
        return problem_response(request, NotFound("there is nothing at this path"))
    raise error


def _allowed_methods(request: Request) -> set[str]:
    """Of all routes at this path: routing itself names those of one."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    routes = [route for route in iter_route_contexts(request.app.routes) if route.methods]
    methods = {method for route in routes if route.path_regex.match(path) for method in route.methods or ()}
    return methods or {"GET", "HEAD"}  # a file


def _named(error: Mapping[str, Any]) -> dict[str, object]:
    """One validation error of pydantic: where, which, what it was, what is wrong."""
    place, *names = error["loc"]
    missing = error["type"] == "missing"
    unknown = error["type"] == "extra_forbidden"
    message = "there is no such parameter" if unknown else str(error["msg"]).removeprefix("Value error, ")
    return {
        "in": str(place),
        "field": _shown(".".join(map(str, names)) or str(place)),
        "value": None if missing else _shown(error["input"]),
        "message": message,
    }


def _shown(value: object) -> str:
    """A value for an error text: cut, and without what JSON cannot carry."""
    text = str(value)
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}... (cut)"
    return text.encode("utf-8", "replace").decode()
