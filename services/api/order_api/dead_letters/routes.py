"""`/v1/dead-letters`."""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Body, Query, Request, Response

from dead_letters import repository
from dead_letters.model import DeadLetter, RedriveState
from dead_letters.repository import DeadLetterFilters, DeadLetterPosition
from dead_letters.serialization import serialize_dead_letter, serialize_details
from order_api import credential_queries
from order_api.authentication import administrator, caller_of
from order_api.contradictions import refuse_contradictions
from order_api.database import Reads
from order_api.dead_letters.correction import corrected
from order_api.dead_letters.cursor import read_cursor, write_cursor
from order_api.dead_letters.filters import AtOrigin, LetterParameters, ManyRedriveRequest, RedriveRequest
from order_api.dead_letters.model import (
    DeadLetterDetails,
    DeadLetterPage,
    ManyRedriven,
    Redriven,
)
from order_api.guarded_route import GuardedRoute
from order_api.keys import Scope
from order_api.openapi import responses
from order_api.parameters import refuse_null_body, refuse_repeated
from order_api.problems.availability import BrokerUnavailable
from order_api.problems.orders import DeadLetterUnknown
from order_api.responses import json_response
from order_api.services import AllServices
from order_contract.origin import Origin

router = APIRouter(
    prefix="/v1", route_class=GuardedRoute, tags=["dead letters"], dependencies=[administrator(Scope.DEAD_LETTERS)]
)

_PAGE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"headers": {"Link": {"description": "the next page, with rel=next", "schema": {"type": "string"}}}},
    **responses(401, 403, 404, 422, 429, 503),
}


@router.get("/dead-letters", operation_id="list_dead_letters", response_model=DeadLetterPage, responses=_PAGE)
async def list_dead_letters(
    request: Request, services: AllServices, parameters: Annotated[LetterParameters, Query()]
) -> Response:
    """Messages that were refused, as bad data or as a conflict, newest first."""
    refuse_repeated(request)
    refuse_contradictions(parameters)
    criteria = parameters.criteria()
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria)
    # One more than asked for tells whether there is a next page.
    letters = await services.listings.run(
        request,
        caller_of(request),
        lambda database: repository.list_dead_letters(database, criteria, after, parameters.limit + 1),
    )
    items, cursor, headers = letters[: parameters.limit], None, {}
    if len(letters) > len(items):
        cursor = write_cursor(DeadLetterPosition(items[-1].recorded_at, items[-1].origin), criteria)
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        headers["Link"] = f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'
    return json_response(
        {"items": [serialize_dead_letter(letter) for letter in items], "next": cursor}, headers=headers
    )


@router.get(
    "/dead-letters/{topic}/{partition}/{offset}",
    operation_id="get_dead_letter",
    response_model=DeadLetterDetails,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def get_dead_letter(services: AllServices, origin: AtOrigin) -> Response:
    """One dead letter: what is wrong and what to do, the original message to the byte, and its redrives."""
    async with services.databases.lookups.snapshot() as snapshot:  # the count of redrives and their list agree
        letter = await _letter(snapshot, origin)
        redrives = await repository.list_redrives(snapshot, letter.origin)
    original, problem = None, None
    try:
        original = await services.dead_letters.original(letter)
    except BrokerUnavailable as error:
        problem = error.detail  # what Postgres has is worth showing
    return json_response({**serialize_details(letter, original, redrives), "message_problem": problem})


@router.post(
    "/dead-letters/{topic}/{partition}/{offset}/redrive",
    operation_id="redrive_dead_letter",
    status_code=202,
    response_model=Redriven,
    responses=responses(401, 403, 404, 409, 410, 413, 415, 422, 429, 503),
)
async def redrive_dead_letter(
    request: Request,
    services: AllServices,
    origin: AtOrigin,
    given: Annotated[RedriveRequest | None, Body()] = None,
) -> Response:
    """Publish a dead letter again, as it was or with a corrected body, under its key and headers.

    It is judged like any other message; `GET` of the same origin says what became of it. What is on its way or went
    well, and conflicts, want `again`.
    """
    await refuse_null_body(request)
    wanted = given or RedriveRequest()
    letter = await _letter(services.databases.lookups, origin)
    correction = None
    if wanted.body is not None:
        correction = corrected(wanted.body, wanted.encoding, services.settings.event_decoder())
    by = await credential_queries.key_name(services.databases.lookups, caller_of(request).key_id)
    published_as = await services.dead_letters.redrive(letter, correction, by=by, again=wanted.again)
    return json_response({"origin": str(letter.origin), "published_as": str(published_as)}, 202)


@router.post(
    "/dead-letters/redrive",
    operation_id="redrive_dead_letters",
    status_code=202,
    response_model=ManyRedriven,
    responses=responses(401, 403, 413, 415, 422, 429, 503),
)
async def redrive_dead_letters(request: Request, services: AllServices, wanted: ManyRedriveRequest) -> Response:
    """Publish up to 100 dead letters of an error type again, as they were, that were not redriven yet.

    Redrive the originals once their cause is gone: a new payment method that is configured now, for example.
    """
    criteria = DeadLetterFilters(error_type=wanted.error_type, state=RedriveState.OPEN)
    letters = await repository.list_dead_letters(
        services.databases.listings, criteria, None, wanted.limit + 1, oldest_first=True
    )
    by = await credential_queries.key_name(services.databases.lookups, caller_of(request).key_id)
    results = await services.dead_letters.redrive_many(letters[: wanted.limit], by=by, again=wanted.again)
    return json_response(
        {
            "redriven": [{"origin": str(old.origin), "published_as": str(new)} for old, new in results.redriven],
            "not_redriven": [{"origin": str(old.origin), "problem": str(why)} for old, why in results.failed],
            "more": len(letters) > wanted.limit,
        },
        202,
    )


async def _letter(database: Reads, origin: Origin) -> DeadLetter:
    letter = await repository.find_dead_letter(database, origin)
    if letter is None:
        raise DeadLetterUnknown(str(origin))
    return letter
