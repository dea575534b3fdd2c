"""Problems of the resource that is asked for: orders, users, dead letters, keys and marts that do not exist."""

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
    """The letter is a conflict: another order stands under its id, and a redrive will be a conflict again.

    Find out which of the two is right. `again` redrives it all the same, best with a body that has another order id.
    """

    status = 409
    code = "conflict-stands"
    title = "Another order stands under this id"


class RetiredDate(Problem):
    """The letter is an order of a retired date: its orders are in the warehouse only, and a redrive is refused again.

    `again` redrives it all the same, best with a body that has a later created_date.
    """

    status = 409
    code = "retired-date"
    title = "The order is of a retired date"


class OrderRefused(Problem):
    """The order is not a valid order event: on topic `orders` it would become a dead letter.

    `detail` names field and value, `error_type` is the one that it would be refused with.
    """

    status = 409
    code = "order-refused"
    title = "The order is not a valid order event"

    def __init__(self, detail: str, error_type: str) -> None:
        super().__init__(detail, members={"error_type": error_type})


class CorrectionRefused(OrderRefused):
    """The corrected body is not a valid order event either: it would only be a dead letter again.

    `detail` names field and value, `error_type` is the one that it would be refused with.
    """

    code = "correction-refused"
    title = "The corrected body is not a valid order event"


class RulesetRefused(Problem):
    """The draft is not a valid ruleset: `detail` names line and column, what is wrong, and what to write instead."""

    status = 409
    code = "ruleset-refused"
    title = "The draft is not a valid ruleset"


class RulesetUnknown(Problem):
    """No ruleset of this version decided an order or was published: `fraud-detector rules versions` lists them."""

    status = 404
    code = "ruleset-unknown"
    title = "No ruleset has this version"

    def __init__(self, version: str) -> None:
        super().__init__(f"no ruleset of version {version} is stored")


class NoActiveRuleset(Problem):
    """No ruleset is active yet: the first detector that starts activates the default one."""

    status = 404
    code = "no-active-ruleset"
    title = "No ruleset is active yet"

    def __init__(self) -> None:
        super().__init__("no ruleset is active yet; the first detector that starts activates the default one")


class DraftUnknown(Problem):
    """No draft has this name: `GET /v1/rulesets/drafts` lists them."""

    status = 404
    code = "draft-unknown"
    title = "No draft has this name"


class DraftRefused(Problem):
    """This cannot be done with the draft: it has changed since it was looked at, or one of its authors approves it.

    `detail` says which.
    """

    status = 409
    code = "draft-refused"
    title = "This cannot be done with the draft"


class PublicationRefused(Problem):
    """The ruleset cannot be published or become active again: `detail` says why. What is active stays."""

    status = 409
    code = "publication-refused"
    title = "The ruleset cannot be published"


class ConfirmationNeeded(Problem):
    """More of the last orders would get another outcome than may without a confirmation. Nothing was published.

    `check` has the figures. If it is meant, publish with `confirm`: the number `changed`, as text.
    """

    status = 409
    code = "confirmation-needed"
    title = "The change wants a confirmation"

    def __init__(self, detail: str, check: Mapping[str, int]) -> None:
        super().__init__(detail, members={"check": dict(check)})


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


class NoReviewWaiting(Problem):
    """No review waits for a person in this queue: all are claimed or closed. `GET /v1/reviews/counts` counts them."""

    status = 404
    code = "no-review-waiting"
    title = "No review is waiting"

    def __init__(self) -> None:
        super().__init__("no review is waiting that you could take")


class SavedSearchUnknown(Problem):
    """You have saved no search under this name: `GET /v1/saved-searches` lists them. Those of others are theirs."""

    status = 404
    code = "saved-search-unknown"
    title = "You have no such search"

    def __init__(self, name: str) -> None:
        super().__init__(f"you have saved no search {name!r}")


class TooManySavedSearches(Problem):
    """You have as many saved searches as one key may have. Delete one."""

    status = 409
    code = "too-many-saved-searches"
    title = "You have too many saved searches"

    def __init__(self, most: int) -> None:
        super().__init__(f"you have {most} saved searches, which is the most; delete one")


class BacktestUnknown(Problem):
    """No backtest has this id: it was never requested, or it is deleted, as the newest 500 are kept."""

    status = 404
    code = "backtest-unknown"
    title = "No backtest has this id"

    def __init__(self, backtest_id: int) -> None:
        super().__init__(f"no backtest has the id {backtest_id}; GET /v1/backtests lists them")


class BacktestRefused(Problem):
    """The range of a backtest cannot be: it is empty, or longer than 400 days. `detail` says what to write."""

    status = 409
    code = "backtest-refused"
    title = "The backtest's range cannot be"


class BacktestUnfinished(Problem):
    """The backtest has no report: it is not done yet, or will never be. Its `state` and `error` say which."""

    status = 409
    code = "backtest-unfinished"
    title = "The backtest has no report"

    def __init__(self, backtest_id: int, state: str) -> None:
        super().__init__(f"backtest {backtest_id} has no report; it is {state}")


class BacktestEnded(Problem):
    """The backtest has ended already, so that nothing is left to cancel."""

    status = 409
    code = "backtest-ended"
    title = "The backtest has ended"

    def __init__(self, backtest_id: int) -> None:
        super().__init__(f"backtest {backtest_id} has ended already")


class KeyUnknown(Problem):
    """No valid key has this id: it was never made, or it is revoked already. `GET /v1/keys` lists the keys."""

    status = 404
    code = "key-unknown"
    title = "No valid key has this id"

    def __init__(self, key_id: str) -> None:
        super().__init__(f"no valid key has the id {key_id}")


class ListUnknown(Problem):
    """No list has this name: `GET /v1/lists` lists them.

    A list is created by `POST /v1/lists`, or by a detector whose ruleset declares it; that of a rule's snoozes by the
    first one.
    """

    status = 404
    code = "list-unknown"
    title = "The list does not exist"


class ListExists(Problem):
    """A list of this name exists, with another kind or field; both stay as they are. Choose another name."""

    status = 409
    code = "list-exists"
    title = "Another list has this name"


class MartUnknown(Problem):
    """The batch side has published no mart of this name: `/v1/marts` lists them. There are none before its first run.

    `make batch DATE=...` runs it for a business date; Airflow does so every night.
    """

    status = 404
    code = "mart-unknown"
    title = "The mart does not exist"

    def __init__(self, name: str) -> None:
        super().__init__(f"no mart {name} is published")
