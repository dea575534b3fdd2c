"""`/workbench/links`: the graph of shared devices, addresses and vouchers, and the same as tables."""

from typing import Annotated

from fastapi import Query, Request, Response

from order_api.auth.dependencies import reader
from order_api.auth.keys import Scope
from order_api.links.filters import LinkKind, LinkParameters
from order_api.links.graph import NodeKey
from order_api.links.service import LinkSearch
from order_workbench.kit.documents import plain
from order_workbench.kit.entities import TITLES
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router

router = page_router(reader(Scope.ORDERS))


@router.get("/links")
async def show_links(request: Request, links: LinkSearch, parameters: Annotated[LinkParameters, Query()]) -> Response:
    """The graph around an order, a user, or a value that orders share."""
    found = plain(await links.find(request, NodeKey(parameters.kind, parameters.id), parameters.depth))
    return render_page(
        request,
        "links/page.html",
        parameters=parameters,
        found=found,
        nodes={node["key"]: node for node in found["nodes"]},
        titles={**TITLES, LinkKind.ORDER: "Order"},
    )
