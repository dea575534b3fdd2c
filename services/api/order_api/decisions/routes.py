"""`/v1/decisions/stream`."""

import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from order_api.authentication import caller_of, reader, still_permitted
from order_api.contradictions import refuse_contradictions
from order_api.decisions.events import KEEP_ALIVE
from order_api.decisions.model import EVENT_SCHEMA, EXAMPLE_EVENT
from order_api.decisions.parameters import LastEventId, StreamParameters
from order_api.guarded_route import GuardedRoute
from order_api.keys import Scope
from order_api.openapi import responses
from order_api.parameters import refuse_repeated
from order_api.personal_data import is_masked
from order_api.problems.availability import DatabaseUnavailable
from order_api.problems.requests import NotAcceptable
from order_api.services import AllServices

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE_SECONDS: Final = 15

router = APIRouter(prefix="/v1", route_class=GuardedRoute, tags=["decisions"], dependencies=[reader(Scope.DECISIONS)])

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, without end",
        "content": {
            MEDIA_TYPE: {
                "schema": EVENT_SCHEMA,
                "examples": {"decision": {"value": EXAMPLE_EVENT}},
            }
        },
    },
    **responses(401, 403, 406, 422, 429, 503),
}


@router.get(
    "/decisions/stream",
    operation_id="stream_decisions",
    response_class=EventSourceResponse,
    responses=_RESPONSES,
)
async def stream_decisions(
    request: Request,
    services: AllServices,
    parameters: Annotated[StreamParameters, Query()],
    # For browsers, which send it by themselves; programs have `from`. In the document it would be a trap: a colon is
    # nothing that property testing tools put into a header, so they have no valid value for it.
    last_event_id: Annotated[LastEventId, Header(alias="Last-Event-ID", include_in_schema=False)] = None,
) -> EventSourceResponse:
    """Decisions as they are made, as server-sent events named `decision`; `data` is the value on topic `decisions`.

    An `id` is the next offset of every partition: with the last one, as `Last-Event-ID` or `from`, a stream goes on
    without gap or repeat. When that place is not on the topic any more, an event named `reset` says why and where it
    goes on. Comments keep the connection alive; ids without data say how far a filtered stream is. A stream ends after
    an hour, when the API stops, and when its key is revoked: come back with the last id.
    """
    refuse_repeated(request)
    if not accepts(request.headers.getlist("accept"), MEDIA_TYPE):
        raise NotAcceptable(MEDIA_TYPE)
    refuse_contradictions(parameters)
    with contextlib.suppress(DatabaseUnavailable):  # decisions come from the topic
        await services.rules.refuse_unknown(services.databases.lookups, parameters.rule)
    services.decisions.admit()
    stream: AsyncIterator[bytes] = services.decisions.stream(
        parameters.begins(last_event_id),
        parameters.wanted(masked=is_masked(services.settings, caller_of(request))),
        partial(still_permitted, request),
    )
    return EventSourceResponse(stream, ping=KEEP_ALIVE_SECONDS, ping_message_factory=_keep_alive)


def _keep_alive() -> ServerSentEvent:
    return ServerSentEvent(comment=KEEP_ALIVE, sep="\n")


def accepts(headers: list[str], media_type: str) -> bool:
    """Whether header Accept admits a media type; without the header everything is welcome (RFC 9110, 12.5.1)."""
    ranges = [part.lower().split(";") for header in headers for part in header.split(",") if part.strip()]
    main = media_type.partition("/")[0]
    for wanted in (media_type, f"{main}/*", "*/*"):  # the most specific one decides
        for name, *parameters in ranges:
            if name.strip() == wanted:
                return not any(_is_refusal(parameter) for parameter in parameters)
    return not ranges


def _is_refusal(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and not value.strip().strip("0.")
