"""What the queue's address and its forms hold."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from order_api.kit.pagination import CursorText
from order_api.kit.query_parameters import NO_NUL, HyphenatedName, Identifier
from order_api.labels.filters import NewLabel
from order_api.review_queue.model import MOST_CLOSED, QueueFilters, QueueState
from order_platform.postgres.notes import MAX_NOTE_LENGTH
from order_workbench.kit.forms import PageForm
from order_workbench.queue.verdicts import VERDICT_NAMES

Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_LENGTH, pattern=NO_NUL)]


class QueueForm(PageForm):
    """Which part of the queue a person works on; every form of the page carries it along."""

    state: QueueState | None = None
    queue: HyphenatedName | None = None
    rule: HyphenatedName | None = None
    mine: bool = False

    def view(self, order_id: str | None = None) -> "QueueView":
        """The page with these filters, and an order at hand."""
        return QueueView(**self.model_dump(include=set(QueueForm.model_fields)), id=order_id)


class QueueView(QueueForm):
    """The page's address."""

    id: Identifier | None = None
    cursor: CursorText | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 25

    def filters(self) -> QueueFilters:
        """What to look for."""
        return QueueFilters(self.state, self.queue, self.rule, self.mine)

    def given(self) -> dict[str, Any]:
        """The parameters of the address; without the page, as a change may have moved it."""
        given = self.model_dump(mode="json", exclude={"cursor"}, exclude_defaults=True)
        return {name: "true" if value is True else value for name, value in given.items()}


class ReviewForm(QueueForm):
    """The review that something is done with."""

    order_id: Identifier


class EscalationForm(ReviewForm):
    """Why it is escalated."""

    note: Note = ""


def _check_verdict(value: str) -> str:
    if value not in VERDICT_NAMES:
        raise ValueError(f"is none of {', '.join(VERDICT_NAMES)}")
    return value


Verdict = Annotated[str, AfterValidator(_check_verdict)]
"""The name of a verdict, such as `fraud:stolen-card`."""


def _new_label(verdict: str, note: str) -> NewLabel:
    label, _, reason = verdict.partition(":")
    return NewLabel.model_validate({"label": label, "reason": reason, "note": note or None})


class VerdictForm(ReviewForm):
    """A verdict on the order at hand."""

    verdict: Verdict
    note: Note = ""

    def label(self) -> NewLabel:
        """The label to publish."""
        return _new_label(self.verdict, self.note)


class BulkForm(QueueForm):
    """A verdict on several orders."""

    order_ids: Annotated[list[Identifier], Field(min_length=1, max_length=MOST_CLOSED)]
    verdict: Verdict
    note: Note = ""

    def label(self) -> NewLabel:
        """The label to publish for each."""
        return _new_label(self.verdict, self.note)
