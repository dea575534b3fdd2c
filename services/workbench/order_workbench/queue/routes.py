"""`/workbench/queue`: open reviews beside the order at hand, all of it by keyboard."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from fastapi import Depends, Form, Query, Request, Response

from order_api.auth.dependencies import administrator, principal_of, reviewer
from order_api.auth.keys import Scope
from order_api.http.problems.orders import OrderUnknown
from order_api.http.problems.problem import Problem
from order_api.orders.service import Orders, OrderService
from order_api.review_queue.model import QueuedReview
from order_api.review_queue.service import Queue, ReviewQueue
from order_api.users.service import Users, UserService
from order_workbench.kit.documents import plain, split_order
from order_workbench.kit.rendering import render_page
from order_workbench.kit.routing import page_router, redirect
from order_workbench.queue.forms import (
    BulkForm,
    EscalationForm,
    QueueForm,
    QueueView,
    ReviewForm,
    VerdictForm,
)
from order_workbench.queue.verdicts import VERDICTS

router = page_router(reviewer(Scope.ORDERS))
_PATH = "/workbench/queue"


class ReviewServices(NamedTuple):
    """What a review is read from."""

    queue: ReviewQueue
    orders: OrderService
    users: UserService


async def _find_services(queue: Queue, orders: Orders, users: Users) -> ReviewServices:
    return ReviewServices(queue, orders, users)


Services = Annotated[ReviewServices, Depends(_find_services)]


@router.get("/queue")
async def show_queue(request: Request, services: Services, view: Annotated[QueueView, Query()]) -> Response:
    """The open reviews that meet the filters, and the one that the address names."""
    return await _respond(request, services, view)


@router.get("/queue/counts")
async def show_counts(request: Request, queue: Queue) -> Response:
    """How many reviews wait; asked for every few seconds."""
    counts, held = await queue.counts(request), await queue.held_today(request)
    return render_page(request, "queue/counts.html", counts=counts, held=held)


@router.post("/queue/next")
async def take_next(request: Request, services: Services, given: Annotated[QueueForm, Form()]) -> Response:
    """Claim the most urgent review that no person is looking at, and show it."""
    return await _respond_with_next(request, services, given.view())


@router.post("/queue/close")
async def close(request: Request, services: Services, given: Annotated[VerdictForm, Form()]) -> Response:
    """Close a review by a verdict, and show the next one."""
    await services.queue.close(request, given.order_id, given.label())
    closed = {"order_id": given.order_id, "verdict": given.verdict}
    return await _respond_with_next(request, services, given.view(), closed=closed)


@router.post("/queue/claim")
async def claim(request: Request, services: Services, given: Annotated[ReviewForm, Form()]) -> Response:
    """Claim a review, or extend one's claim."""
    await services.queue.claim(request, given.order_id)
    return await _respond(request, services, given.view(given.order_id))


@router.post("/queue/release")
async def release(request: Request, services: Services, given: Annotated[ReviewForm, Form()]) -> Response:
    """End one's claim, and return to the list."""
    await services.queue.release(request, given.order_id)
    return await _respond(request, services, given.view())


@router.post("/queue/end-claim", dependencies=[administrator(Scope.ORDERS)])
async def end_claim(request: Request, services: Services, given: Annotated[ReviewForm, Form()]) -> Response:
    """End another person's claim, and keep the order at hand."""
    await services.queue.end_claim(request, given.order_id)
    return await _respond(request, services, given.view(given.order_id))


@router.post("/queue/escalate")
async def escalate(request: Request, services: Services, given: Annotated[EscalationForm, Form()]) -> Response:
    """Put a review before the others for another person, and show the next one."""
    await services.queue.escalate(request, given.order_id, given.note or None)
    closed = {"order_id": given.order_id, "verdict": "escalated"}
    return await _respond_with_next(request, services, given.view(), closed=closed)


@router.post("/queue/bulk")
async def close_several(request: Request, services: Services, given: Annotated[BulkForm, Form()]) -> Response:
    """Close the reviews that were ticked by one verdict."""
    results = await services.queue.close_all(request, given.order_ids, given.label())
    return await _respond(request, services, given.view(), results=results)


async def _respond_with_next(request: Request, services: ReviewServices, view: QueueView, **values: Any) -> Response:
    claimed = await services.queue.claim_next(request, view.queue)
    return await _respond(
        request, services, view.model_copy(update={"id": claimed and claimed.order_id}), claimed, **values
    )


async def _respond(
    request: Request,
    services: ReviewServices,
    view: QueueView,
    claimed: QueuedReview | None = None,
    **values: Any,
) -> Response:
    """The page, or for htmx its part; a plain form is sent to the page's own address after a change."""
    address = _PATH + (f"?{query}" if (query := urlencode(view.given())) else "")
    is_change = request.method != "GET"
    if is_change and request.headers.get("hx-request") != "true":
        return redirect(request, address)
    (reviews, cursor), at_hand = await asyncio.gather(
        services.queue.list_page(request, view.filters(), view.cursor, view.limit),
        _read_at_hand(request, services, view.id, claimed),
    )
    response = render_page(
        request,
        "queue/workspace.html" if request.headers.get("hx-request") == "true" else "queue/page.html",
        view=view,
        reviews=reviews,
        next_page=cursor and urlencode({**view.given(), "cursor": cursor}),
        verdicts=VERDICTS,
        **at_hand,
        **{"closed": None, "results": (), **values},
    )
    if is_change:
        response.headers["HX-Push-Url"] = address
    return response


async def _read_at_hand(
    request: Request,
    services: ReviewServices,
    order_id: str | None,
    claimed: QueuedReview | None,
) -> Mapping[str, Any]:
    """The review at hand, its order and user; what is wrong with it instead, when it cannot be reviewed."""
    nothing: dict[str, Any] = {"review": None, "order": None, "user": None, "problem": None}
    if order_id is None:
        return nothing
    principal = principal_of(request)
    try:
        review = claimed or await services.queue.find(request, order_id)
        if review.user_id is None:
            raise OrderUnknown(None)
        order, user = await asyncio.gather(
            services.orders.find(principal, order_id), services.users.find(request, principal, review.user_id)
        )
    except Problem as problem:
        return {**nothing, "problem": problem.detail, "missing_id": order_id}
    return {**nothing, "review": review, "order": split_order(order).order, "user": plain(user)}
