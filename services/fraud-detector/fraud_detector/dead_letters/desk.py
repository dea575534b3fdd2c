"""Working on dead letters from the command line: database and broker, and one kind of error when they are away."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError

from dead_letters import repository
from dead_letters.model import Letter, Original, Redrive, State
from dead_letters.original_message import Originals
from dead_letters.redrive import RedriveError, Redriver
from dead_letters.repository import LetterCriteria, LetterPosition
from order_contract.origin import Origin
from order_platform.event_settings import EventSettings
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.settings import DatabaseSettings, KafkaSettings

CONNECT_SECONDS: Final = 5.0
PAGE: Final = 500
# What nobody has published again yet, as far as is known.
_WAITING: Final = (State.UNCONFIRMED, State.OPEN)


class DeskSettings(EventSettings, KafkaSettings, DatabaseSettings):
    """What the command needs to know."""


class DeskError(Exception):
    """The work cannot be done; the text says why."""


Told = Callable[[Letter, Origin | RedriveError], None]
"""Hears what became of each letter: where it was published, or why it was not."""


class Desk:
    """The database's dead letters, and the broker's topics."""

    def __init__(self, settings: DeskSettings, connection: asyncpg.Connection) -> None:
        self._settings = settings
        self._connection = connection

    async def letters(self, criteria: LetterCriteria, count: int) -> list[Letter]:
        """The newest `count` that meet the criteria."""
        found: list[Letter] = []
        while len(found) < count:
            after = LetterPosition(found[-1].recorded_at, found[-1].origin) if found else None
            page = await repository.letters(self._connection, criteria, after, min(PAGE, count - len(found)))
            found += page
            if len(page) < PAGE:
                break
        return found

    async def waiting(self, error_type: str | None) -> list[Letter]:
        """What was refused and not redriven, oldest first; conflicts, too."""
        found: list[Letter] = []
        for state in _WAITING:
            found += await self.letters(LetterCriteria(error_type=error_type, state=state), 10**9)
        return sorted(found, key=lambda letter: (letter.recorded_at, letter.origin))

    async def letter(self, origin: Origin) -> Letter:
        """The letter of an origin. Raises DeskError."""
        letter = await repository.letter(self._connection, origin)
        if letter is None:
            raise DeskError(f"no dead letter has the origin {origin}; `fraud-detector dead-letters list` shows them")
        return letter

    async def states(self, origins: Sequence[Origin]) -> dict[Origin, State]:
        """What became of some letters by now."""
        return await repository.states(self._connection, origins)

    async def redrives(self, letter: Letter) -> list[Redrive]:
        """Its redrives, oldest first."""
        return await repository.redrives(self._connection, letter.origin)

    async def original(self, letter: Letter) -> Original | None:
        """Its message as it was published, None when it is on no topic any more."""
        async with Originals(self._settings, self._connection) as originals:
            return await originals.find(letter)

    async def redrive(
        self, letters: Sequence[Letter], *, by: str, again: bool, correction: bytes | None, told: Told
    ) -> None:
        """Redrive letters one after the other; those that cannot be are told of and passed over."""
        async with Redriver(self._settings, self._connection, by) as redriver:
            for letter in letters:
                try:
                    published_as = await redriver.redrive(letter, correction, again=again)
                except RedriveError as error:
                    told(letter, error)
                else:
                    told(letter, published_as)


@asynccontextmanager
async def open_desk(settings: DeskSettings) -> AsyncIterator[Desk]:
    """A desk. Raises DeskError when database or broker are away, also while it is in use."""
    try:
        connection = await asyncpg.connect(settings.database_url.get_secret_value(), timeout=CONNECT_SECONDS)
        try:
            yield Desk(settings, connection)
        finally:
            connection.terminate()
    except KafkaError as error:
        raise DeskError(f"Kafka at ORDERWATCH_KAFKA={settings.kafka} does not do it: {error!r}") from error
    except asyncpg.InsufficientPrivilegeError as error:
        raise DeskError(
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}. Redriving is the operator's: "
            "`. .orderwatch/admin.env`, or docs/security.md"
        ) from error
    except asyncpg.UndefinedTableError as error:
        raise DeskError("the database is not migrated: run `orderwatch migrate`") from error
    except DATABASE_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise DeskError(f"Postgres at ORDERWATCH_DATABASE_URL, or Kafka, does not answer: {reason}") from error
