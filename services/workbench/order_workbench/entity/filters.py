"""Query parameters and forms of the entity's page."""

from typing import Annotated

import orjson
from fastapi.exceptions import RequestValidationError
from pydantic import Field, ValidationError

from order_api.entities.filters import FIELDS, EntityKind
from order_api.kit.query_parameters import Text
from order_api.lists.filters import NewSnooze, Reason
from order_lists.snoozes import MAX_DAYS
from order_workbench.kit.forms import Days, PageForm

_ListName = Annotated[str, Field(min_length=1, max_length=200)]


class EntityPage(PageForm):
    """Which entity."""

    kind: EntityKind
    id: Text


class ListForm(EntityPage):
    """Adding the entity to a list; without days for good."""

    list: _ListName
    reason: Reason
    days: Days | None = None


class UnlistForm(EntityPage):
    """Removing the entity from a list, or ending a snooze."""

    list: _ListName
    reason: Reason


class SnoozeForm(EntityPage):
    """Letting a rule not count for the entity's orders of some days."""

    rule: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Reason
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)]

    def snooze(self) -> NewSnooze:
        """The snooze. Raises RequestValidationError for what no rule can be snoozed for."""
        given = {"field": FIELDS[self.kind], "value": self.id, **self.model_dump(exclude={"kind", "id"})}
        try:
            # From JSON, as a body is: its numbers are strict.
            return NewSnooze.model_validate_json(orjson.dumps(given))
        except ValidationError as error:
            raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from None
