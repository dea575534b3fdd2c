"""The epochs of a topic: its creations, numbered from 1, as table `topic_epochs` has them with the broker's ids."""

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

_KNOWN = "select epoch, topic_id from topic_epochs where topic = $1 order by epoch"


class Database(Protocol):
    """What is asked of a connection or a pool."""

    async def fetch(self, query: str, /, *args: Any) -> list[Any]: ...


async def known_epochs(database: Database, topic: str) -> dict[int, UUID | None]:
    """The id of each topic that had this name, by epoch, oldest first; None where its id is not known."""
    return {row["epoch"]: row["topic_id"] for row in await database.fetch(_KNOWN, topic)}


def epoch_of(known: Mapping[int, UUID | None], topic_id: UUID | None) -> int | None:
    """The epoch of the topic that has this id now; None for one that was created again and is not accepted yet.

    From a broker that gives topics no ids the newest is taken, and so is one whose id was not recorded.
    """
    newest = max(known, default=1)
    if topic_id is None or known.get(newest) in {None, topic_id}:
        return newest
    return max((epoch for epoch, its_id in known.items() if its_id == topic_id), default=None)
