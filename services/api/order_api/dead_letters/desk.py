"""Working on dead letters: a few connections to the broker at a time, and one kind of error when it is away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from order_api.database import Database
from order_api.problems.availability import BrokerUnavailable
from order_api.problems.orders import AlreadyRedriven, ConflictStands, DeadLetterGone
from order_api.problems.problem import Problem
from order_contract.dead_letters.letter import Letter, Original
from order_contract.dead_letters.origin import Origin
from order_contract.dead_letters.originals import Originals
from order_contract.dead_letters.redriving import (
    AlreadyRedrivenError,
    ConflictStandsError,
    OriginalGoneError,
    RedriveError,
    Redriver,
)
from order_contract.settings import KafkaSettings

# Administrators are few: who comes while others are at it waits for their turn.
LOOKING_AT_ONCE: Final = 4


class Results(NamedTuple):
    """Letters that were redriven with where they stand now, and those that were not with the reason."""

    redriven: list[tuple[Letter, Origin]]
    failed: list[tuple[Letter, RedriveError]]


class DeadLetterDesk:
    """Original messages, and redriving. Raises BrokerUnavailable; clients are opened for each piece of work."""

    def __init__(self, settings: KafkaSettings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._looking = asyncio.Semaphore(LOOKING_AT_ONCE)
        self._redriving = asyncio.Lock()

    async def original(self, letter: Letter) -> Original | None:
        """The message of a letter, None when it is on no topic any more."""
        async with self._looking, _available(), Originals(self._settings, self._database) as originals:
            return await originals.find(letter)

    async def redrive(self, letter: Letter, correction: bytes | None, *, by: str, again: bool) -> Origin:
        """Publish a letter again. Raises AlreadyRedriven, ConflictStands or DeadLetterGone, too."""
        async with self._redriving, _available(), Redriver(self._settings, self._database, by) as redriver:
            try:
                return await redriver.redrive(letter, correction, again=again)
            except RedriveError as error:
                raise _problem(letter, error) from error

    async def redrive_many(self, letters: Sequence[Letter], *, by: str, again: bool) -> Results:
        """Publish letters again, one after the other."""
        results = Results([], [])
        if letters:
            async with self._redriving, _available(), Redriver(self._settings, self._database, by) as redriver:
                for letter in letters:
                    try:
                        results.redriven.append((letter, await redriver.redrive(letter, again=again)))
                    except RedriveError as error:
                        results.failed.append((letter, error))
        return results


@asynccontextmanager
async def _available() -> AsyncIterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(f"Kafka does not do it now ({type(error).__name__})") from error


def _problem(letter: Letter, error: RedriveError) -> Problem:
    match error:
        case AlreadyRedrivenError():
            return AlreadyRedriven(str(error))
        case ConflictStandsError():
            return ConflictStands(str(error))
        case OriginalGoneError():
            return DeadLetterGone(str(letter.origin))
        case _:
            return BrokerUnavailable(str(error))
