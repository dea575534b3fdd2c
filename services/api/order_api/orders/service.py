"""Orders and flags for a principal: look-ups, waiting, and pages with personal data masked where it must be."""

from typing import Annotated

from fastapi import Depends, Request

from order_api.auth.credential_cache import Principal
from order_api.auth.personal_data import FILTERS, PersonalDataPolicy, mask_order, reject_personal_filters
from order_api.http.problems.orders import OrderDeadLettered, OrderUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool, OpenRequests, wait_for_disconnect
from order_api.kit.lag_monitor import LagMonitor
from order_api.kit.notification_listener import PostgresListener
from order_api.kit.registry import Provider
from order_api.orders.filters import PageParameters
from order_api.orders.known_rules import KnownRules
from order_api.orders.long_poll import OrderLongPoll
from order_api.orders.lookups import OrderLookups
from order_api.orders.repository import SEARCHED_ROWS, DeadLetteredOrder, Page, Recorded, read_page, read_position
from order_api.orders.serializers import dead_letter_source, order_details, order_page


class OrderService:
    """Finds orders by id, and lists them."""

    def __init__(
        self,
        *,
        lookups: OrderLookups,
        long_poll: OrderLongPoll,
        listener: PostgresListener,
        listings: FairPool,
        open_requests: OpenRequests,
        lag: LagMonitor,
        rules: KnownRules,
        personal_data: PersonalDataPolicy,
    ) -> None:
        self.lookups = lookups
        self.long_poll = long_poll
        self.searched_rows = SEARCHED_ROWS
        self._listener = listener
        self._listings = listings
        self._open_requests = open_requests
        self._lag = lag
        self._rules = rules
        self._personal_data = personal_data

    async def wait(self, request: Request, principal: Principal, order_id: str, seconds: float) -> Recorded | None:
        """What an order id is recorded as within `seconds`, else None.

        Raises ClientDisconnected on a hang-up, TooManyAtOnce when the key has too many open requests.
        """
        self._listener.listen()
        self._open_requests.admit(principal.key_id)
        with self._open_requests.hold(principal.key_id):
            return await self.long_poll.wait(order_id, seconds, lambda: wait_for_disconnect(request))

    async def find(self, principal: Principal, order_id: str) -> dict[str, object]:
        """The order as it is sent. Raises OrderUnknown or OrderDeadLettered."""
        recorded = await self.lookups.find(order_id)
        if recorded is None:
            raise OrderUnknown((await self._lag.read()).total)
        return self.present(principal, recorded)

    def present(self, principal: Principal, recorded: Recorded) -> dict[str, object]:
        """What is recorded, as it is sent to a principal. Raises OrderDeadLettered."""
        masked = self._personal_data.masks(principal)
        if isinstance(recorded, DeadLetteredOrder):
            # The error quotes values of the message.
            error = "masked for your key, as it quotes values of the message" if masked else recorded.error
            raise OrderDeadLettered(recorded.error_type, error, dead_letter_source(recorded), recorded.recorded_at)
        details = order_details(recorded)
        return mask_order(details) if masked else details

    async def list_page(self, request: Request, principal: Principal, parameters: PageParameters) -> dict[str, object]:
        """A page of orders as it is sent."""
        criteria = parameters.criteria()
        masked = self._personal_data.masks(principal)
        if masked:
            reject_personal_filters(parameters.model_dump(include=set(FILTERS)))
        after = None if parameters.cursor is None else read_position(parameters.cursor, criteria)

        async def read(database: Database) -> Page:
            await self._rules.reject_unknown(database, parameters.rule)
            return await read_page(database, criteria, after, parameters.limit, self.searched_rows)

        page = await self._listings.run(request, principal.key_id, read)
        return order_page(page, masked=masked)


Orders = Annotated[OrderService, Depends(Provider(OrderService))]
