"""`/v1/reviews/queue` and what people do with it."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response

from order_api.auth.dependencies import administrator, reader, reviewer
from order_api.auth.keys import Scope
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.http.problems.reviews import NoReviewWaiting
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import OrderId, reject_null_body, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_api.labels.filters import NewLabel
from order_api.labels.schemas import PublishedLabel
from order_api.review_queue.filters import ClosedReviews, Escalation, NextParameters, QueueParameters
from order_api.review_queue.schemas import (
    ClosingResults,
    QueueItem,
    QueuePage,
    ReviewSummary,
    as_counts,
    as_item,
    as_results,
)
from order_api.review_queue.service import Queue

router = APIRouter(prefix="/v1", route_class=CredentialsFirstRoute, tags=["reviews"])

_READER: Final = [reader(Scope.ORDERS)]
_REVIEWER: Final = [reviewer(Scope.ORDERS)]
_ON_ONE: Final = responses(401, 403, 404, 409, 422, 429, 503)
_WITH_BODY: Final = responses(401, 403, 404, 409, 413, 415, 422, 429, 503)


@router.get(
    "/reviews/queue",
    operation_id="page_review_queue",
    response_model=QueuePage,
    responses={200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)},
    dependencies=_READER,
)
async def page_review_queue(
    request: Request, queue: Queue, parameters: Annotated[QueueParameters, Query()]
) -> Response:
    """Open reviews, the most urgent first: escalated ones, then by score, by rupiah, by due time.

    Second reviews of orders that you reviewed first are left out.
    """
    reject_repeated(request)
    items, cursor = await queue.list_page(request, parameters.criteria(), parameters.cursor, parameters.limit)
    page = {"items": [as_item(review) for review in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.get(
    "/reviews/counts",
    operation_id="count_reviews",
    response_model=ReviewSummary,
    responses=responses(401, 403, 429, 503),
    dependencies=_READER,
)
async def count_reviews(request: Request, queue: Queue) -> Response:
    """How many reviews are open, overdue, claimed, escalated, in the second stage; the money held today."""
    return json_response(as_counts(await queue.counts(request), await queue.held_today(request)))


@router.post(
    "/reviews/next",
    operation_id="claim_next_review",
    response_model=QueueItem,
    responses=_ON_ONE,
    dependencies=_REVIEWER,
)
async def claim_next_review(request: Request, queue: Queue, parameters: Annotated[NextParameters, Query()]) -> Response:
    """Claim the most urgent review that no person is looking at; two people never get the same one.

    The claim ends after 10 minutes (ORDERWATCH_API_CLAIM_MINUTES); claiming it again extends it.
    """
    reject_repeated(request)
    claimed = await queue.claim_next(request, parameters.queue)
    if claimed is None:
        raise NoReviewWaiting
    return json_response(as_item(claimed))


@router.post(
    "/reviews/bulk",
    operation_id="close_reviews",
    status_code=202,
    response_model=ClosingResults,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
    dependencies=_REVIEWER,
)
async def close_reviews(request: Request, queue: Queue, wanted: ClosedReviews) -> Response:
    """Close up to 200 reviews by the same verdict, with a result for each."""
    results = await queue.close_all(request, wanted.order_ids, wanted.verdict())
    return json_response(as_results(results), 202)


@router.post(
    "/reviews/{order_id:identifier}/claim",
    operation_id="claim_review",
    response_model=QueueItem,
    responses=_ON_ONE,
    dependencies=_REVIEWER,
)
async def claim_review(request: Request, queue: Queue, order_id: OrderId) -> Response:
    """Claim a review, or extend your claim."""
    return json_response(as_item(await queue.claim(request, order_id)))


@router.post(
    "/reviews/{order_id:identifier}/release",
    operation_id="release_review",
    response_model=QueueItem,
    responses=_ON_ONE,
    dependencies=_REVIEWER,
)
async def release_review(request: Request, queue: Queue, order_id: OrderId) -> Response:
    """End your claim, so that the review is the next of another person."""
    return json_response(as_item(await queue.release(request, order_id)))


@router.post(
    "/reviews/{order_id:identifier}/end-claim",
    operation_id="end_review_claim",
    response_model=QueueItem,
    responses=_ON_ONE,
    dependencies=[administrator(Scope.ORDERS)],
)
async def end_review_claim(request: Request, queue: Queue, order_id: OrderId) -> Response:
    """End another person's claim, so that the review waits for a person again; the audit log records it."""
    return json_response(as_item(await queue.end_claim(request, order_id)))


@router.post(
    "/reviews/{order_id:identifier}/escalate",
    operation_id="escalate_review",
    response_model=QueueItem,
    responses=_WITH_BODY,
    dependencies=_REVIEWER,
)
async def escalate_review(
    request: Request, queue: Queue, order_id: OrderId, wanted: Escalation | None = None
) -> Response:
    """Put a review before all that are not escalated, for another person."""
    await reject_null_body(request)
    return json_response(as_item(await queue.escalate(request, order_id, None if wanted is None else wanted.note)))


@router.post(
    "/reviews/{order_id:identifier}/close",
    operation_id="close_review",
    status_code=202,
    response_model=PublishedLabel,
    responses=_WITH_BODY,
    dependencies=_REVIEWER,
)
async def close_review(request: Request, queue: Queue, order_id: OrderId, wanted: NewLabel) -> Response:
    """Close the review of an order by your verdict: a label, as `POST /v1/orders/{order_id}/labels` publishes it.

    It leaves the queue at once, and is closed as soon as a detector has stored the label, which takes moments.
    """
    return json_response(await queue.close(request, order_id, wanted), 202)
