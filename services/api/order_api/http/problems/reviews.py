"""Problems about reviews."""

from datetime import datetime

from order_api.http.problems.problem import Problem


class ReviewUnknown(Problem):
    """No review of this order was opened: `GET /v1/reviews` lists them. An order can be labelled all the same."""

    status = 404
    code = "review-unknown"
    title = "The order has no review"

    def __init__(self) -> None:
        super().__init__("no review of this order was opened")


class ReviewClosed(Problem):
    """The review is closed: the order got a label since. `label` is what it says now; a newer one can correct it."""

    status = 409
    code = "review-closed"
    title = "The review is closed"

    def __init__(self, label: str) -> None:
        super().__init__(f"the review is closed: the order is labelled {label}", members={"label": label})


class ReviewClaimed(Problem):
    """Another person is looking at the order: `claimed_by`, until `claimed_until` unless they extend that."""

    status = 409
    code = "review-claimed"
    title = "Another person is looking at the order"

    def __init__(self, claimed_by: str, claimed_until: datetime | None) -> None:
        until = "" if claimed_until is None else f" until {claimed_until.isoformat(timespec='seconds')}"
        super().__init__(
            f"{claimed_by} is looking at the order{until}; take another one",
            members={"claimed_by": claimed_by, "claimed_until": claimed_until},
        )


class ReviewDecided(Problem):
    """The review has a verdict already, of `decided_by`, which is published and not stored yet.

    It is closed within moments. When it is not within 5 minutes, the review is open again.
    """

    status = 409
    code = "review-decided"
    title = "The review has a verdict already"

    def __init__(self, decided_by: str) -> None:
        super().__init__(
            f"{decided_by} has decided on the order; the label is being stored", members={"decided_by": decided_by}
        )


class SecondReviewRefused(Problem):
    """You reviewed the order in its first stage: the second look is another person's."""

    status = 409
    code = "second-review-refused"
    title = "The second review is another person's"

    def __init__(self) -> None:
        super().__init__("you reviewed the order first; the second review is another person's")


class ReviewRouteUnknown(Problem):
    """No route of the review queue has this name: `GET /v1/reviews/routes` lists them."""

    status = 404
    code = "review-route-unknown"
    title = "The route does not exist"

    def __init__(self, name: str) -> None:
        super().__init__(f"no route has the name {name}; take one that /v1/reviews/routes lists")


class ReviewRouteExists(Problem):
    """A route of the review queue has this name already. Choose another name, or change that route."""

    status = 409
    code = "review-route-exists"
    title = "Another route has this name"

    def __init__(self, name: str) -> None:
        super().__init__(f"a route has the name {name} already; choose another name, or change that route")


class TooManyReviewRoutes(Problem):
    """There are as many routes of the review queue as there may be. Remove one."""

    status = 409
    code = "too-many-review-routes"
    title = "There are too many routes"

    def __init__(self, most: int) -> None:
        super().__init__(f"there are {most} routes, which is the most; remove one")


class NoReviewWaiting(Problem):
    """No review waits for a person in this queue: all are claimed or closed. `GET /v1/reviews/counts` counts them."""

    status = 404
    code = "no-review-waiting"
    title = "No review is waiting"

    def __init__(self) -> None:
        super().__init__("no review is waiting that you could take")
