"""Problems about orders and what they share."""

from collections.abc import Mapping
from datetime import datetime

from order_api.http.problems.problem import Problem


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
            known = "how many messages wait for the detector is not known now"
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

    def __init__(
        self, error_type: str | None, error: str | None, source: Mapping[str, object], recorded_at: datetime
    ) -> None:
        super().__init__(
            f"the message of this order is bad data: {error}",
            members={"error_type": error_type, "error": error, "source": source, "recorded_at": recorded_at},
        )


class OrderUnexplained(Problem):
    """The order cannot be decided again with what is stored of it, as that of an erased person cannot.

    `detail` says why. Its decision can be read all the same.
    """

    status = 409
    code = "order-unexplained"
    title = "The order cannot be explained"


class OrderRefused(Problem):
    """The order is not a valid order event: on topic `orders` it would become a dead letter.

    `detail` names field and value, `error_type` is the one that it would be refused with.
    """

    status = 409
    code = "order-refused"
    title = "The order is not a valid order event"

    def __init__(self, detail: str, error_type: str) -> None:
        super().__init__(detail, members={"error_type": error_type})


class EntityUnknown(Problem):
    """No stored order has this value, or none among the orders that were searched."""

    status = 404
    code = "entity-unknown"
    title = "No order has this value"

    def __init__(self, kind: str, searched_from: datetime | None = None) -> None:
        where = "" if searched_from is None else f" among the orders since {searched_from.isoformat()}"
        super().__init__(f"no order of this {kind} is stored{where}")


class UserUnknown(Problem):
    """No order of this user is stored, so there is nothing to tell: users are known by their orders here."""

    status = 404
    code = "user-unknown"
    title = "The user has no orders"

    def __init__(self) -> None:
        super().__init__("no order of this user is stored")
