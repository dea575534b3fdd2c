"""`/v1/dead-letters`."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Query, Request, Response

from dead_letters import repository
from dead_letters.model import DeadLetter, RedriveState
from dead_letters.repository import DeadLetterFilters, DeadLetterPosition
from dead_letters.serialization import serialize_dead_letter, serialize_details
from order_api.auth.dependencies import administrator, principal_of
from order_api.auth.keys import Scope
from order_api.auth.repository import find_key_name
from order_api.dead_letters.filters import AtOrigin, LetterParameters, ManyRedriveRequest, RedriveRequest
from order_api.dead_letters.schemas import DeadLetterDetails, DeadLetterPage, ManyRedriven, Redriven
from order_api.dead_letters.service import DeadLetters
from order_api.http.json_response import json_response
from order_api.http.problems.availability import BrokerUnavailable
from order_api.http.problems.openapi import responses
from order_api.http.problems.resources import DeadLetterUnknown
from order_api.kit.pagination import LINK_HEADER, cut_page, link_headers, read_cursor, read_time, write_time
from order_api.kit.query_parameters import reject_contradictions, reject_null_body, reject_repeated
from order_api.kit.routing import CredentialsFirstRoute
from order_contract.origin import Origin, parse_origin
from order_platform.postgres.sql_builder import QueryExecutor

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
    criteria = parameters.criteria()
    after = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria, _parse_position)
    letters = await dead_letters.listings.run(
        request,
        principal_of(request).key_id,
        lambda database: repository.list_dead_letters(database, criteria, after, parameters.limit + 1),
    )
    items, cursor = cut_page(
        letters, parameters.limit, criteria, lambda letter: (write_time(letter.recorded_at), str(letter.origin))
    )
    page = {"items": [serialize_dead_letter(letter) for letter in items], "next": cursor}
    return json_response(page, headers=link_headers(request, cursor))


@router.get(
    "/dead-letters/{topic}/{partition}/{offset}",
    operation_id="get_dead_letter",
    response_model=DeadLetterDetails,
    responses=responses(401, 403, 404, 422, 429, 503),
)
async def get_dead_letter(dead_letters: DeadLetters, origin: AtOrigin) -> Response:
    """One dead letter: what is wrong and what to do, the original message to the byte, and its redrives."""
    async with dead_letters.lookups.snapshot() as snapshot:  # the count of redrives and their list agree
        letter = await _find_dead_letter(snapshot, origin)
        redrives = await repository.list_redrives(snapshot, letter.origin)
    original, problem = None, None
    try:
        original = await dead_letters.original(letter)
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
    letter = await _find_dead_letter(dead_letters.lookups, origin)
    correction = None
    if requested.body is not None:
        correction = dead_letters.encode_correction(letter, requested.body, requested.encoding)
    by = await find_key_name(dead_letters.lookups, principal_of(request).key_id)
    published_as = await dead_letters.redrive(letter, correction, by=by, again=requested.again)
    return json_response({"origin": str(letter.origin), "published_as": str(published_as)}, 202)


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
    by = await find_key_name(dead_letters.lookups, principal_of(request).key_id)
    results = await dead_letters.redrive_many(letters[: requested.limit], by=by, again=requested.again)
    return json_response(
        {
            "redriven": [{"origin": str(old.origin), "published_as": str(new)} for old, new in results.redriven],
            "not_redriven": [{"origin": str(old.origin), "problem": str(why)} for old, why in results.failed],
            "more": len(letters) > requested.limit,
        },
        202,
    )


def _parse_position(microseconds: int, origin: str) -> DeadLetterPosition:
    return DeadLetterPosition(read_time(microseconds), parse_origin(origin))


async def _find_dead_letter(database: QueryExecutor, origin: Origin) -> DeadLetter:
    letter = await repository.find_dead_letter(database, origin)
    if letter is None:
        raise DeadLetterUnknown(str(origin))
    return letter
