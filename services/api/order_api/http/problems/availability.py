"""Problems of the API itself: internal errors, and dependencies or capacity that are unavailable."""

from order_api.http.problems.problem import Problem, Unavailable


class InternalError(Problem):
    """A bug of the API. The log has the details under `request_id`."""

    status = 500
    code = "internal-error"
    title = "Something went wrong on our side"

    def __init__(self) -> None:
        super().__init__("an unexpected error; report it with the request id")


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


class TooBusy(Unavailable):
    """As many requests of this costly kind as the database can take are running, of other keys too. Ask again.

    Keys take turns, so a key that asks little is served first; orders by id are never refused like this.
    """

    code = "too-busy"
    title = "Too many costly requests are running"

    def __init__(self) -> None:
        super().__init__("the database is busy with listings or statistics of other keys")


class MartBeingPublished(Unavailable):
    """The mart is being published again at this moment. Ask again: the new rows are there within seconds."""

    code = "mart-being-published"
    title = "The mart is being published"

    def __init__(self, name: str) -> None:
        super().__init__(f"mart {name} is being published again")


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
    """As many streams as the API holds are open already. Reconnect with the last id: nothing is missed."""

    code = "too-many-listening"
    title = "Too many streams are open"

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} streams of decisions are open already")


class TooManyBacktests(Unavailable):
    """As many backtests as the API takes run or wait already. Ask again later, or cancel one of them."""

    code = "too-many-backtests"
    title = "Too many backtests run or wait"

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} backtests run or wait already; GET /v1/backtests lists them")


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
