"""Orders of erased persons, which lost what identifies the person: which features of other orders that may change."""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from decision_engine.expression import names_in
from decision_engine.history.declaration import ATTRIBUTE, HistoryFeature
from order_contract.event import OrderEvent

_REMOVED: Final = frozenset({"email", "device_id", "ip_address", "account_created_date"})
"""Fields that an erasure sets to null, beside all attributes. The user's id becomes a pseudonym."""


class ErasedOrders(NamedTuple):
    """The times of all orders of erased persons, in ascending order, and the SHA-256 of these persons' ids, as hex."""

    times: Sequence[datetime] = ()
    users: Collection[str] = ()

    def concerned(self, order: OrderEvent, features: Sequence[HistoryFeature]) -> Iterator[HistoryFeature]:
        """The features of an order that may have counted erased orders as they were, and cannot do so again.

        They are those with an erased order in their window that are about a field which an erasure changes. One by the
        user's id counts for erased persons alone, who ordered again: no one else has their id.
        """
        created = order.created_date
        for feature in features:
            since = created - timedelta(microseconds=feature.window)
            if bisect_right(self.times, since) == bisect_right(self.times, created):
                continue
            fields = {*feature.key, feature.field, *(names_in(feature.where) if feature.where else ())}
            if any(name in _REMOVED or (name or "").startswith(ATTRIBUTE) for name in fields) or (
                "user_id" in fields and self._is_erased(order.user_id)
            ):
                yield feature

    def _is_erased(self, user_id: str) -> bool:
        return bool(self.users) and sha256(user_id.encode()).hexdigest() in self.users
