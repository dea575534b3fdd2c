"""Query parameters and forms of the order's page."""

from pydantic import BaseModel, ConfigDict

from order_api.kit.query_parameters import Identifier
from order_api.labels.filters import NewLabel


class OrderPage(BaseModel):
    """Which order."""

    model_config = ConfigDict(extra="forbid")

    id: Identifier


class LabelForm(NewLabel):
    """A verdict on an order."""

    id: Identifier
