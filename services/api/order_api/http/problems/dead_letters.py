"""Problems about dead letters and redriving them."""

from order_api.http.problems.orders import OrderRefused
from order_api.http.problems.problem import Problem


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


class ConflictUnresolved(Problem):
    """The letter is a conflict: another order is stored under its id, and a redrive would be a conflict again.

    Find out which of the two is right. `again` redrives it all the same, best with a body that has another order id.
    """

    status = 409
    code = "conflict-stands"
    title = "Another order is stored under this id"


class RetiredDate(Problem):
    """The letter is an order of a retired date: its orders are in the warehouse only, and a redrive is refused again.

    `again` redrives it all the same, best with a body that has a later created_date.
    """

    status = 409
    code = "retired-date"
    title = "The order is of a retired date"


class CorrectionRefused(OrderRefused):
    """The corrected body is not a valid order event either: it would only be a dead letter again.

    `detail` names field and value, `error_type` is the one that it would be refused with.
    """

    code = "correction-refused"
    title = "The corrected body is not a valid order event"
