"""Problems about rulesets, drafts, publishing and backtests."""

from collections.abc import Mapping

from order_api.http.problems.problem import Problem


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
