"""Query parameters and forms of the order's page."""

from order_api.kit.query_parameters import Identifier
from order_api.labels.filters import NewLabel
from order_workbench.kit.forms import PageForm


class OrderPage(PageForm):
    """Which order."""

    id: Identifier


class LabelForm(NewLabel):
    """A verdict on an order."""

    id: Identifier
