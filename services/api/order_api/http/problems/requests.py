"""Problems of the request itself: not valid, not authenticated, not found."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from order_api.http.problems.problem import Problem
from order_api.http.problems.redaction import redact

MAX_ERRORS: Final = 20
MAX_DETAIL: Final = 2_000


class InvalidRequest(Problem):
    """A parameter is not what the documentation says. `errors` names each one with its value and what is wrong.

    The first twenty are named. `field` is null when it is about the body or the query as a whole; values that may be
    secrets are hidden.
    """

    status = 422
    code = "invalid-request"
    title = "The request is not valid"

    def __init__(self, errors: Sequence[Mapping[str, object]], count: int = 1) -> None:
        named = errors[:MAX_ERRORS]
        detail = "; ".join(_fault(error) for error in named)[:MAX_DETAIL]
        if count > len(named):
            detail += f"; and {count - len(named):,} more"
        super().__init__(detail, members={"errors": named})


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
    """Header `Accept` admits none of the media types that this path responds with. Add the one named, or `*/*`."""

    status = 406
    code = "not-acceptable"
    title = "The client does not take what this path responds with"

    def __init__(self, media_type: str) -> None:
        super().__init__(f"this responds with {media_type}, which header Accept does not admit")


class NoSession(Problem):
    """The call came with a key and without a session's cookie, so there is no session to end."""

    status = 404
    code = "no-session"
    title = "There is no session"

    def __init__(self) -> None:
        super().__init__("no session's cookie came along")


class CursorUnknown(Problem):
    """The cursor is none that this API gave out for these filters. Start again without it.

    A cursor is `next` of an earlier page and serves the same path and filters only; `limit` may change.
    """

    status = 404
    code = "cursor-unknown"
    title = "No page has this cursor"

    def __init__(self) -> None:
        super().__init__("the cursor was changed, or belongs to other filters; start again without it")


class UnsupportedMediaType(Problem):
    """The body is not what this path takes: JSON in UTF-8, with `Content-Type: application/json`, not compressed."""

    status = 415
    code = "unsupported-media-type"
    title = "The body's media type is not taken here"

    def __init__(self, given: str) -> None:
        super().__init__(
            f"the body came with {redact(given)}; send JSON, with Content-Type: application/json",
            headers={"Accept": "application/json"},
        )


class ClientDisconnected(Problem):
    """The client hung up before the response was there; only logs and metrics see this."""

    status = 499
    code = "caller-left"
    title = "The client left"

    def __init__(self) -> None:
        super().__init__("the client closed the connection")


def _fault(error: Mapping[str, object]) -> str:
    field = error["field"] or f"the {error['in']}"
    got = "" if error["value"] is None else f", got {error['value']!r}"
    return f"{field}: {error['message']}{got}"
