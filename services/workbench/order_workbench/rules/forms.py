"""Forms of the rules' pages, and what they ask of the services."""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints

from order_api.kit.query_parameters import HyphenatedName, RulesetVersion
from order_api.rulesets.filters import (
    Approval,
    DraftContent,
    Message,
    Publication,
    Rollback,
    RolloutChange,
    RulesetText,
)
from order_workbench.kit.forms import PageForm

MOST_TEXT: Final = 65_536


def _empty_as_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _with_newlines(value: object) -> object:
    """A text area sends the line ends of HTTP; rules have those of YAML."""
    return value.replace("\r\n", "\n") if isinstance(value, str) else value


OptionalMessage = Annotated[Message | None, BeforeValidator(_empty_as_none)]
Content = Annotated[str, StringConstraints(max_length=MOST_TEXT), BeforeValidator(_with_newlines)]
Percent = Annotated[int, Field(ge=1, le=100)]


class DraftForm(PageForm):
    """A draft as it is saved."""

    name: HyphenatedName
    content: Content = ""
    message: OptionalMessage = None

    def wanted(self) -> DraftContent:
        """What is asked of the service."""
        return DraftContent(content=self.content, message=self.message)


class TextForm(PageForm):
    """The text of a ruleset that is being written; its other fields are not looked at."""

    model_config = ConfigDict(extra="ignore")

    content: Content = ""

    def wanted(self) -> RulesetText:
        """What is asked of the service."""
        return RulesetText(content=self.content)


class ApprovalForm(PageForm):
    """A draft as it was looked at."""

    name: HyphenatedName
    version: RulesetVersion

    def wanted(self) -> Approval:
        """What is asked of the service."""
        return Approval(version=self.version)


class DiscardForm(PageForm):
    """A draft that is discarded."""

    name: HyphenatedName


class PublicationForm(ApprovalForm):
    """How a draft is published."""

    percent: Percent = 100
    confirm: Annotated[str | None, BeforeValidator(_empty_as_none)] = None
    message: OptionalMessage = None

    def wanted_publication(self) -> Publication:
        """What is asked of the service."""
        return Publication(version=self.version, percent=self.percent, confirm=self.confirm, message=self.message)


class RolloutForm(PageForm):
    """How far the candidate is rolled out."""

    candidate: RulesetVersion
    percent: Percent
    message: OptionalMessage = None

    def wanted(self) -> RolloutChange:
        """What is asked of the service."""
        return RolloutChange(candidate=self.candidate, percent=self.percent, message=self.message)


class RollbackForm(PageForm):
    """Why the version before is to be active again."""

    message: OptionalMessage = None

    def wanted(self) -> Rollback:
        """What is asked of the service."""
        return Rollback(message=self.message)


class BacktestForm(PageForm):
    """A draft, or none for the active version; the business dates of the orders; with what it is compared."""

    draft: Annotated[HyphenatedName | None, BeforeValidator(_empty_as_none)] = None
    since: date
    last: date
    against: Literal["decisions", "active"] = "decisions"


class CancelForm(PageForm):
    """A backtest that is cancelled."""

    id: Annotated[int, Field(ge=1, le=2**63 - 1)]
