"""Service of dead letters: original messages and redrives, with limits on requests to the broker."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from dead_letters.model import DeadLetter, OriginalMessage
from dead_letters.original_message import OriginalMessageReader
from dead_letters.redrive import (
    AlreadyRedrivenError,
    ConflictNotRedrivenError,
    OriginalMissingError,
    RedriveError,
    Redriver,
    UnconfirmedError,
)
from order_api.database import Database
from order_api.patience import Patience
from order_api.problems.availability import BrokerUnavailable
from order_api.problems.orders import AlreadyRedriven, ConflictStands, DeadLetterGone
from order_api.problems.problem import Problem
from order_contract.origin import Origin
from order_platform.settings import KafkaSettings

# Administrators are few: who comes while others are at it waits for their turn.
LOOKING_AT_ONCE: Final = 4
# A broker that accepts connections and does not respond would hold a request up for 40 s.
BROKER_SECONDS: Final = 4.0
_UNCONFIRMED: Final = "a redrive that was under way may be published or not, and redriving again is safe"


class Results(NamedTuple):
    """Letters that were redriven with where they stand now, and those that were not with the reason."""

    redriven: list[tuple[DeadLetter, Origin]]
    failed: list[tuple[DeadLetter, RedriveError]]


class DeadLetterService:
    """OriginalMessage messages, and redriving. Raises BrokerUnavailable; clients are opened for each piece of work."""

    def __init__(self, settings: KafkaSettings, database: Database, seconds: float = BROKER_SECONDS) -> None:
        self._settings = settings
        self._database = database
        self._looking = asyncio.Semaphore(LOOKING_AT_ONCE)
        self._redriving = asyncio.Lock()
        self._patience = Patience(seconds)

    async def close(self) -> None:
        """Wait a little for clients that are being closed."""
        await self._patience.close()

    async def original(self, letter: DeadLetter) -> OriginalMessage | None:
        """The message of a letter, None when it is on no topic any more."""

        async def find() -> OriginalMessage | None:
            async with self._looking, OriginalMessageReader(self._settings, self._database) as originals:
                return await originals.find(letter)

        with _available():
            return await self._patience.run(find())

    async def redrive(self, letter: DeadLetter, correction: bytes | None, *, by: str, again: bool) -> Origin:
        """Publish a letter again. Raises AlreadyRedriven, ConflictStands or DeadLetterGone, too."""

        async def redrive() -> Origin:
            async with self._redriving, Redriver(self._settings, self._database, by) as redriver:
                return await redriver.redrive(letter, correction, again=again)

        with _available():
            try:
                return await self._patience.run(redrive())
            except RedriveError as error:
                raise _problem(letter, error) from error

    async def redrive_many(self, letters: Sequence[DeadLetter], *, by: str, again: bool) -> Results:
        """Publish letters again, one after the other, until the broker does not respond any more."""
        results = Results([], [])

        async def redrive() -> None:
            async with self._redriving, Redriver(self._settings, self._database, by) as redriver:
                async for letter, result in redriver.redrive_each(letters, again=again):
                    if isinstance(result, Origin):
                        results.redriven.append((letter, result))
                    else:
                        results.failed.append((letter, result))

        def finished() -> int:
            return len(results.redriven) + len(results.failed)

        if not letters:
            return results
        try:
            await self._patience.run(redrive(), finished)
        except (KafkaError, TimeoutError) as error:
            if not finished():
                raise BrokerUnavailable(_reason(error)) from error
            current, *others = letters[finished() :]
            results.failed.append((current, UnconfirmedError(f"{current.origin}: {_UNCONFIRMED}")))
            results.failed.extend((letter, RedriveError(f"{letter.origin}: not tried, see above")) for letter in others)
        return results


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"Kafka does not respond; {_UNCONFIRMED}"
    return f"Kafka request failed ({type(error).__name__})"


def _problem(letter: DeadLetter, error: RedriveError) -> Problem:
    match error:
        case AlreadyRedrivenError():
            return AlreadyRedriven(str(error))
        case ConflictNotRedrivenError():
            return ConflictStands(str(error))
        case OriginalMissingError():
            return DeadLetterGone(str(letter.origin))
        case _:
            return BrokerUnavailable(str(error))
