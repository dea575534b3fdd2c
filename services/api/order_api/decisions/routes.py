"""`/v1/decisions/stream`."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse

from order_api.auth.dependencies import authentication_of, principal_of, reader
from order_api.auth.keys import Scope
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.decisions.filters import LastEventId, StreamParameters
from order_api.decisions.schemas import EVENT_SCHEMA, EXAMPLE_EVENT
from order_api.decisions.stream import DecisionStreams
from order_api.http.problems.availability import DatabaseUnavailable
from order_api.http.problems.openapi import responses
from order_api.http.problems.requests import NotAcceptable
from order_api.kit.database import Database
from order_api.kit.event_streams import EVENT_STREAM, KEEP_ALIVE_SECONDS, accepts, keep_alive
from order_api.kit.fair_turns import OpenRequests
from order_api.kit.query_parameters import reject_contradictions, reject_repeated
from order_api.kit.registry import Provider
from order_api.kit.routing import CredentialsFirstRoute
from order_api.orders.known_rules import KnownRules


@dataclass(frozen=True, slots=True)
class DecisionService:
    """What the stream's route needs."""

    streams: DecisionStreams
    open_requests: OpenRequests
    rules: KnownRules
    database: Database
    personal_data: PersonalDataPolicy

    def open(
        self, request: Request, parameters: StreamParameters, last_event_id: Mapping[int, int] | None
    ) -> AsyncIterator[bytes]:
        """A stream for the principal of a request. Raises TooManyListening, ShuttingDown or TooManyAtOnce."""
        self.streams.admit()
        principal = principal_of(request)
        self.open_requests.admit(principal.key_id)
        return self.streams.stream(
            parameters.start_after(last_event_id),
            parameters.decision_filter(masked=self.personal_data.masks(principal)),
            partial(authentication_of(request).require_still_permitted, request),
            self.open_requests.hold(principal.key_id),
        )


Decisions = Annotated[DecisionService, Depends(Provider(DecisionService))]

router = APIRouter(
    prefix="/v1", route_class=CredentialsFirstRoute, tags=["decisions"], dependencies=[reader(Scope.DECISIONS)]
)

_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Server-sent events, without end",
        "content": {
            EVENT_STREAM: {
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
    decisions: Decisions,
    parameters: Annotated[StreamParameters, Query()],
    # For browsers, which send it by themselves; programs have `from`. In the document it would be a trap: a colon is
    # nothing that property testing tools put into a header, so they have no valid value for it.
    last_event_id: Annotated[LastEventId, Header(alias="Last-Event-ID", include_in_schema=False)] = None,
) -> EventSourceResponse:
    """Decisions as they are made, as server-sent events named `decision`; `data` is the value on topic `decisions`.

    An `id` is the next offset of every partition: with the last one, as `Last-Event-ID` or `from`, a stream resumes
    without gap or repeat. When that place is not on the topic any more, an event named `reset` says why and where it
    continues. Comments keep the connection alive; ids without data say how far a filtered stream is. A stream ends
    after an hour, when the API stops, and when its key is revoked: reconnect with the last id.
    """
    reject_repeated(request)
    if not accepts(request.headers.getlist("accept"), EVENT_STREAM):
        raise NotAcceptable(EVENT_STREAM)
    reject_contradictions(parameters)
    with contextlib.suppress(DatabaseUnavailable):  # decisions come from the topic
        await decisions.rules.reject_unknown(decisions.database, parameters.rule)
    stream = decisions.open(request, parameters, last_event_id)
    return EventSourceResponse(stream, ping=KEEP_ALIVE_SECONDS, ping_message_factory=keep_alive)
