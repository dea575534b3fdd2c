"""Problems of requests that are rejected before their route is called."""

from typing import ClassVar

from order_api.http.problems.problem import Problem, Unavailable


class MalformedRequest(Problem):
    """What arrived is no HTTP/1.1 request; the connection is closed. An HTTPS request to a port of HTTP is one too."""

    status = 400
    code = "malformed-request"
    title = "This is no HTTP request"

    def __init__(self, detail: str = "what arrived is no HTTP/1.1 request") -> None:
        super().__init__(detail)


class ExpectationFailed(Problem):
    """Header `Expect` asks for something that this API does not do. It knows `100-continue`; leave out the rest."""

    status = 417
    code = "expectation-failed"
    title = "The expectation cannot be met"

    def __init__(self, expected: str) -> None:
        super().__init__(f"header Expect is {expected!r}; only 100-continue is supported")


class CrossOrigin(Problem):
    """A page of another origin requested a change with a session. Only pages of the API's own origin may.

    `ORDERWATCH_API_CORS_ORIGINS` names further origins that are trusted; programs send an API key instead.
    """

    status = 403
    code = "cross-origin"
    title = "The request comes from a page of another origin"

    def __init__(self, origin: str | None) -> None:
        super().__init__(f"a session changes nothing for a page of {origin or 'another origin'}")


class PreflightRefused(Problem):
    """A page of another origin asks whether it may send something that this API does not take from other origins.

    It takes the methods and header fields that a preflight for a plain GET names in `Access-Control-Allow-*`.
    """

    status = 400
    code = "preflight-refused"
    title = "A page of this origin may not ask so"


class RequestTimeout(Problem):
    """The request did not arrive in time; the connection is closed. Send head and body in one go."""

    status = 408
    code = "request-timeout"
    title = "The request did not arrive in time"

    def __init__(self, part: str, seconds: float) -> None:
        super().__init__(f"the {part} did not arrive within {seconds:g} seconds")


class BodyTooLarge(Problem):
    """The request's body is larger than anything that this API takes."""

    status = 413
    code = "body-too-large"
    title = "The body is too large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body has at most {limit:,} bytes here")


class HeadTooLarge(Problem):
    """The request's address and headers are larger than anything that this API needs; the connection is closed.

    Together they have at most 32,768 bytes, in at most 100 header fields. The same number holds for trailer fields.
    """

    status = 431
    code = "head-too-large"
    title = "Address and headers are too large"

    def __init__(self, detail: str = "address and headers together have at most 32,768 bytes here") -> None:
        super().__init__(detail)


class RateLimited(Problem):
    """Ask again after `Retry-After` seconds."""

    status = 429
    code = "rate-limited"
    title = "Too much at once"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class TooManyRequests(RateLimited):
    """The key, sessions of it included, asked more than it may. Ask again after `Retry-After` seconds.

    Header `RateLimit-Policy` says how much a key may ask, `RateLimit` of every response how much of it is left.
    `?wait=` and the stream of decisions ask less than polling does; `ORDERWATCH_API_KEY_LIMIT` moves the limit.
    """

    code = "too-many-requests"
    title = "The key asks too much"

    def __init__(self, limit: int, window: int, retry_after: int) -> None:
        super().__init__(f"a key may ask {limit:,} times in {window:,} seconds", retry_after)


class TooManyAtOnce(RateLimited):
    """The key has more listings, statistics or requests that stay open at a time than one key may.

    Send the next one when the one before is answered. Orders by id without `wait` are not limited like this.
    """

    code = "too-many-at-once"
    title = "The key asks too much at the same time"

    def __init__(self, limit: int) -> None:
        super().__init__(f"a key has at most {limit} requests of this kind running at a time", 1)


class TooManyGuesses(RateLimited):
    """This address sent too many keys or sessions that are not valid, so none that is new is looked at for a while.

    Keys that were valid recently continue to work. Look for the program that still uses a revoked key.
    """

    code = "too-many-guesses"
    title = "Too many wrong keys"

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many wrong keys came from this address", retry_after)


class TooManyWithoutKey(RateLimited):
    """This address asked too much without a valid key. Ask again after `Retry-After` seconds, or with a key.

    A request counts once, and once more for each KiB that it sends and each 16 KiB that it gets. Keys that were valid
    recently continue to work. `ORDERWATCH_API_KEYLESS_LIMIT` moves the limit; `/healthz`, `/readyz` and `/metrics` have
    none.
    """

    code = "too-many-without-key"
    title = "Too much without a key"

    def __init__(self, limit: int, window: int, retry_after: int) -> None:
        asked = f"an address may ask {limit:,} times in {window:,} seconds without a key, large requests count more"
        super().__init__(asked, retry_after)


class TooManyConnections(Unavailable):
    """As many connections as the API holds are open already. Ask again, best over a connection that is kept."""

    code = "too-many-connections"
    title = "Too many connections are open"
    retry_after: ClassVar[int] = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit:,} connections are open already")


class TooMuchHeld(Unavailable):
    """Requests that are not complete and responses that are not read fill the memory that the API has for them.

    Send requests in one go, read responses as they come, and ask again after `Retry-After` seconds.
    """

    code = "too-much-held"
    title = "Too much waits to be completed or read"
    retry_after: ClassVar[int] = 5

    def __init__(self, limit: int) -> None:
        super().__init__(f"requests and responses under way hold {limit:,} bytes already")
