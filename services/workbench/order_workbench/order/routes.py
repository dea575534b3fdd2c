"""`/workbench/order`: everything about one order, and labelling it."""

import asyncio
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import orjson
from fastapi import Form, Query, Request, Response

from order_api.auth.dependencies import principal_of, reader, reviewer
from order_api.auth.keys import Scope
from order_api.explanations.service import Explanations, ExplanationService, message_bytes, message_document
from order_api.http.problems.problem import Problem
from order_api.labels.service import Labels, LabelService
from order_api.orders.filters import OrderParameters
from order_api.orders.service import Orders
from order_contract.label import REASONS, Label
from order_workbench.kit.documents import plain, split_order
from order_workbench.kit.order_columns import columns_of
from order_workbench.kit.rendering import HEADERS, render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.order.filters import LabelForm, OrderPage

router = page_router(reader(Scope.ORDERS))

HISTORY: Final = 20
MOST_SHOWN: Final = 4_096
"""Bytes of an order's attributes that its page has; all of them are a file."""
# How long a page waits for a detector to store the label that was just published.
STORED_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05
_FIELDS: Final = ("user_id", "product_id", "quantity", "amount", "payment_method", "country", "created_date",
                  "device_id", "ip_address", "voucher_code", "email", "shipping_country",
                  "account_created_date")  # fmt: skip
_HISTORY_COLUMNS: Final = ("created_date", "order_id", "outcome", "risk_score", "amount", "payment_method", "country",
                           "device_id", "label", "rules")  # fmt: skip


@router.get("/order")
async def show_order(
    request: Request,
    orders: Orders,
    explanations: Explanations,
    labels: Labels,
    wanted: Annotated[OrderPage, Query()],
) -> Response:
    """The page of an order."""
    principal = principal_of(request)
    order, attributes = split_order(await orders.find(principal, wanted.id))
    parameters = OrderParameters(user_id=order["user_id"], limit=HISTORY)
    explanation, history, verdicts = await asyncio.gather(
        _explain(request, explanations, wanted.id),
        orders.list_page(request, principal, parameters),
        labels.history(wanted.id),
    )
    return render_page(
        request,
        "order/page.html",
        order=order,
        attributes=_beginning(attributes),
        attributes_bytes=len(attributes),
        attributes_cut=len(attributes) > MOST_SHOWN,
        fields=columns_of(_FIELDS),
        explanation=explanation,
        history=plain(history)["items"],
        history_columns=columns_of(_HISTORY_COLUMNS),
        labels=plain(verdicts)["items"],
        verdicts=list(Label),
        reasons={label: REASONS[label] for label in (Label.FRAUD, Label.LEGITIMATE)},
    )


@router.get("/order/message")
async def show_message(request: Request, explanations: Explanations, wanted: Annotated[OrderPage, Query()]) -> Response:
    """The message that the order was made of, as a part of its page."""
    row, message = await explanations.find_message(request, wanted.id)
    return render_page(request, "order/message.html", order_id=wanted.id, message=message_document(row, message))


@router.get("/order/message/bytes")
async def download_message(
    request: Request, explanations: Explanations, wanted: Annotated[OrderPage, Query()]
) -> Response:
    """All bytes of the message, as a file."""
    row, message = await explanations.find_message(request, wanted.id)
    content = message_bytes(message)
    if content is None:
        return render_page(request, "order/message.html", order_id=wanted.id, message=message_document(row, message))
    name = f"{row.source_topic}-{row.source_partition}-{row.source_offset}.json"
    headers = {**HEADERS, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type="application/octet-stream", headers=headers)


@router.get("/order/attributes")
async def download_attributes(request: Request, orders: Orders, wanted: Annotated[OrderPage, Query()]) -> Response:
    """All attributes of the order, as a file."""
    found = split_order(await orders.find(principal_of(request), wanted.id))
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="attributes.json"'}
    return Response(found.attributes or b"null", media_type="application/json", headers=headers)


@router.post("/order/label", dependencies=[reviewer(Scope.ORDERS)])
async def label_order(request: Request, labels: Labels, given: Annotated[LabelForm, Form()]) -> Response:
    """Publish a label, and show the page once it is stored."""
    published = await labels.publish(principal_of(request).author, given.id, given)
    await _wait_until_stored(labels, given.id, published["origin"])
    return redirect(request, f"/workbench/order?{urlencode({'id': given.id})}#labels")


async def _explain(request: Request, explanations: ExplanationService, order_id: str) -> dict[str, Any]:
    """The explanation, or why there is none: the rest of the page is worth seeing all the same."""
    try:
        return {"problem": None, **plain(await explanations.explain(request, order_id))}
    except Problem as problem:
        return {"problem": problem.detail}


async def _wait_until_stored(labels: LabelService, order_id: str, origin: object) -> None:
    """Until a detector has stored a label, for a moment: after that the page shows it when it is loaded again."""
    for _ in range(int(STORED_SECONDS / _POLL_SECONDS)):
        stored: Any = await labels.history(order_id)
        if any(each["origin"] == origin for each in stored["items"]):
            return
        await asyncio.sleep(_POLL_SECONDS)


def _beginning(attributes: bytes) -> str:
    """Attributes as indented JSON; of many only the beginning, as they are stored."""
    if len(attributes) > MOST_SHOWN:
        return attributes[:MOST_SHOWN].decode(errors="ignore")
    return orjson.dumps(orjson.loads(attributes), option=orjson.OPT_INDENT_2).decode() if attributes else ""
