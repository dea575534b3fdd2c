"""`/v1/dead-letters`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request, Response

from dead_letters import repository
from dead_letters.model import RedriveState
from dead_letters.repository import DeadLetterFilters
from order_api.auth.dependencies import administrator, principal_of
from order_api.auth.keys import Scope
from order_api.dead_letters.filters import AtOrigin, LetterParameters, ManyRedriveRequest, RedriveRequest
from order_api.dead_letters.schemas import DeadLetterDetails, DeadLetterPage, ManyRedriven, Redriven
from order_api.dead_letters.service import DeadLetters
from order_api.http.json_response import json_response
from order_api.http.problems.openapi import responses
from order_api.kit.pagination import LINK_HEADER, link_headers
from order_api.kit.query_parameters import reject_contradictions, reject_null_body, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute

router = APIRouter(
    prefix="/v1",
    route_class=CredentialsFirstRoute,
    tags=["dead letters"],
    dependencies=[administrator(Scope.DEAD_LETTERS)],
)

_PAGE: Final[dict[int | str, dict[str, Any]]] = {200: LINK_HEADER, **responses(401, 403, 404, 422, 429, 503)}


@router.get("/dead-letters", operation_id="list_dead_letters", response_model=DeadLetterPage, responses=_PAGE)
async def list_dead_letters(
    request: Request, dead_letters: DeadLetters, parameters: Annotated[LetterParameters, Query()]
) -> Response:
    """Messages that were refused, as bad data or as a conflict, newest first."""
    reject_repeated(request)
    reject_contradictions(parameters)
    items, cursor = await dead_letters.list_page(request, parameters)
    page = {"items": items, "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.get(
    "/dead-letters/{topic}/{partition}/{offset}",
    operation_id="get_dead_letter",
    response_model=DeadLetterDetails,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def get_dead_letter(dead_letters: DeadLetters, origin: AtOrigin) -> Response:
    """One dead letter: what is wrong and what to do, the original message to the byte, and its redrives."""
    return json_response(await dead_letters.describe(origin))


@router.post(
    "/dead-letters/{topic}/{partition}/{offset}/redrive",
    operation_id="redrive_dead_letter",
    status_code=202,
    response_model=Redriven,
    responses=responses(401, 403, 404, 409, 410, 413, 415, 422, 429, 503),
)
async def redrive_dead_letter(
    request: Request,
    dead_letters: DeadLetters,
    origin: AtOrigin,
    given: Annotated[RedriveRequest | None, Body()] = None,
) -> Response:
    """Publish a dead letter again, as it was or with a corrected body, under its key and headers.

    It is decided like any other message; `GET` of the same origin has its outcome. Dead letters that were redriven
    already, and conflicts, require `again`.
    """
    await reject_null_body(request)
    requested = given or RedriveRequest()
    published_as = await dead_letters.redrive_one(principal_of(request), origin, requested)
    return json_response({"origin": str(origin), "published_as": str(published_as)}, 202)


@router.post(
    "/dead-letters/redrive",
    operation_id="redrive_dead_letters",
    status_code=202,
    response_model=ManyRedriven,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
)
async def redrive_dead_letters(request: Request, dead_letters: DeadLetters, requested: ManyRedriveRequest) -> Response:
    """Publish up to 100 dead letters of an error type again, as they were, that were not redriven yet.

    Redrive the originals once their cause is gone: a new payment method that is configured now, for example.
    """
    criteria = DeadLetterFilters(error_type=requested.error_type, state=RedriveState.OPEN)
    letters = await repository.list_dead_letters(
        dead_letters.listings.database, criteria, None, requested.limit + 1, oldest_first=True
    )
    results = await dead_letters.redrive_many(
        letters[: requested.limit], by=principal_of(request).author, again=requested.again
    )
    return json_response(
        {
            "redriven": [{"origin": str(old.origin), "published_as": str(new)} for old, new in results.redriven],
            "not_redriven": [{"origin": str(old.origin), "problem": str(why)} for old, why in results.failed],
            "more": len(letters) > requested.limit,
        },
        202,
    )
