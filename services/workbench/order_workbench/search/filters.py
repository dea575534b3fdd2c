"""Query parameters of the search, those of `/v1/orders` and the columns to show, and the form that saves one."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from order_api.orders.filters import OrderParameters
from order_api.saved_searches.filters import MAX_QUERY_LENGTH, SearchName
from order_workbench.kit.forms import PageForm
from order_workbench.kit.order_columns import COLUMNS, USUAL, columns_of

Column = StrEnum("Column", {name.upper(): name for name in COLUMNS})  # type: ignore[misc]  # the columns that there are


class SearchParameters(OrderParameters):
    """Filters, and the columns of the table."""

    column: Annotated[list[Column], Field(default_factory=list, max_length=2 * len(COLUMNS))]

    def columns(self) -> dict[str, str]:
        """The columns to show with their titles."""
        return columns_of(self.column or USUAL)


class SaveForm(PageForm):
    """A search to save under a name."""

    name: SearchName
    query: Annotated[str, StringConstraints(max_length=MAX_QUERY_LENGTH, pattern=r"^[!-~]*$")] = ""
    shared: bool = False
