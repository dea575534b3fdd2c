"""Dead letters over the API: listing and redriving, with bounded connections to the broker and time for it."""

import asyncio
import binascii
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NamedTuple

import orjson
from aiokafka.errors import KafkaError
from fastapi import Depends, Request

from dead_letters import repository
from dead_letters.model import DeadLetter, OriginalMessage
from dead_letters.original_message import OriginalMessageReader
from dead_letters.redrive import (
    AlreadyRedrivenError,
    ConflictNotRedrivenError,
    OriginalMissingError,
    RedriveError,
    Redriver,
    RetiredDateNotRedrivenError,
    UnconfirmedError,
    check_correction,
)
from dead_letters.repository import DeadLetterPosition
from dead_letters.serialization import serialize_dead_letter, serialize_details
from order_api.auth.credential_cache import Principal
from order_api.auth.dependencies import principal_of
from order_api.dead_letters.filters import LetterParameters, RedriveRequest
from order_api.http.problems.availability import BrokerUnavailable
from order_api.http.problems.dead_letters import (
    AlreadyRedriven,
    ConflictUnresolved,
    CorrectionRefused,
    DeadLetterGone,
    DeadLetterUnknown,
    RetiredDate,
)
from order_api.http.problems.problem import Problem
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, read_cursor, read_time, write_time
from order_api.kit.registry import Provider
from order_api.kit.timeouts import ProgressTimeout
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent
from order_contract.origin import Origin, parse_origin
from order_platform.postgres.sql_builder import QueryExecutor
from order_platform.settings import KafkaSettings

# Administrators are few: who comes while others are at it waits for their turn.
LOOKUPS_AT_ONCE: Final = 4
# A broker that accepts connections and does not respond would hold a request up for 40 s.
BROKER_SECONDS: Final = 4.0
_UNCONFIRMED: Final = "a redrive that was under way may be published or not, and redriving again is safe"


class Results(NamedTuple):
    """Letters that were redriven with where they stand now, and those that were not with the reason."""

    redriven: list[tuple[DeadLetter, Origin]]
    failed: list[tuple[DeadLetter, RedriveError]]


class DeadLetterService:
    """Original messages, and redriving. Raises BrokerUnavailable; clients are opened for each piece of work."""

    def __init__(
        self,
        settings: KafkaSettings,
        lookups: Database,
        listings: FairPool,
        decoder: EventDecoder,
        seconds: float = BROKER_SECONDS,
    ) -> None:
        self.lookups = lookups
        self.listings = listings
        self._decoder = decoder
        self._settings = settings
        self._lookups_at_once = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._redriving = asyncio.Lock()
        self._timeout = ProgressTimeout(seconds)

    async def close(self) -> None:
        """Wait a little for clients that are being closed."""
        await self._timeout.close()

    async def list_page(
        self, request: Request, parameters: LetterParameters
    ) -> tuple[Sequence[dict[str, object]], str | None]:
        """A page of dead letters as they are sent, newest first, and the cursor for the next one."""
        criteria = parameters.criteria()
        after = None if parameters.cursor is None else read_cursor(parameters.cursor, criteria, _parse_position)
        letters = await self.listings.run(
            request,
            principal_of(request).key_id,
            lambda database: repository.list_dead_letters(database, criteria, after, parameters.limit + 1),
        )
        items, cursor = cut_page(
            letters, parameters.limit, criteria, lambda letter: (write_time(letter.recorded_at), str(letter.origin))
        )
        return [serialize_dead_letter(letter) for letter in items], cursor

    async def describe(self, origin: Origin) -> dict[str, object]:
        """A dead letter as it is sent, with its message as far as that can be read. Raises DeadLetterUnknown."""
        async with self.lookups.snapshot() as snapshot:  # the count of redrives and their list agree
            letter = await _find_dead_letter(snapshot, origin)
            redrives = await repository.list_redrives(snapshot, letter.origin)
        original, problem = None, None
        try:
            original = await self.original(letter)
        except BrokerUnavailable as error:
            problem = error.detail  # what Postgres has is worth showing
        return {**serialize_details(letter, original, redrives), "message_problem": problem}

    async def redrive_one(self, principal: Principal, origin: Origin, requested: RedriveRequest) -> Origin:
        """Publish a dead letter again for a principal; returns its new origin.

        Raises DeadLetterUnknown, and what `encode_correction` and `redrive` do.
        """
        letter = await _find_dead_letter(self.lookups, origin)
        correction = None
        if requested.body is not None:
            correction = self.encode_correction(letter, requested.body, requested.encoding)
        return await self.redrive(letter, correction, by=principal.author, again=requested.again)

    async def original(self, letter: DeadLetter) -> OriginalMessage | None:
        """The message of a letter, None when it is on no topic any more."""

        async def find() -> OriginalMessage | None:
            async with self._lookups_at_once, OriginalMessageReader(self._settings, self.lookups) as originals:
                return await originals.find(letter)

        with _translate_errors():
            return await self._timeout.run(find())

    def encode_correction(self, letter: DeadLetter, body: dict[str, Any] | str, encoding: str) -> bytes:
        """The bytes to publish. Raises CorrectionRefused when they are not valid in place of the letter's message."""
        value = _bytes(body, encoding)
        try:
            check_correction(value, letter.origin, self._settings, self._decoder)
        except BadEvent as error:
            raise CorrectionRefused(str(error), error.error_type) from error
        return value

    async def redrive(self, letter: DeadLetter, correction: bytes | None, *, by: str, again: bool) -> Origin:
        """Publish a letter again. Raises AlreadyRedriven, ConflictUnresolved, RetiredDate or DeadLetterGone, too."""

        async def redrive() -> Origin:
            async with self._redriving, Redriver(self._settings, self.lookups, by) as redriver:
                return await redriver.redrive(letter, correction, again=again)

        with _translate_errors():
            try:
                return await self._timeout.run(redrive())
            except RedriveError as error:
                raise _make_problem(letter, error) from error

    async def redrive_many(self, letters: Sequence[DeadLetter], *, by: str, again: bool) -> Results:
        """Publish letters again, one after the other, until the broker does not respond any more."""
        results = Results([], [])

        async def redrive() -> None:
            async with self._redriving, Redriver(self._settings, self.lookups, by) as redriver:
                async for letter, result in redriver.redrive_each(letters, again=again):
                    if isinstance(result, Origin):
                        results.redriven.append((letter, result))
                    else:
                        results.failed.append((letter, result))

        def count_finished() -> int:
            return len(results.redriven) + len(results.failed)

        if not letters:
            return results
        try:
            await self._timeout.run(redrive(), count_finished)
        except (KafkaError, TimeoutError) as error:
            if not count_finished():
                raise BrokerUnavailable(_describe_error(error)) from error
            current, *others = letters[count_finished() :]
            results.failed.append((current, UnconfirmedError(f"{current.origin}: {_UNCONFIRMED}")))
            results.failed.extend((letter, RedriveError(f"{letter.origin}: not tried, see above")) for letter in others)
        return results


async def _find_dead_letter(database: QueryExecutor, origin: Origin) -> DeadLetter:
    letter = await repository.find_dead_letter(database, origin)
    if letter is None:
        raise DeadLetterUnknown(str(origin))
    return letter


def _parse_position(microseconds: int, origin: str) -> DeadLetterPosition:
    return DeadLetterPosition(read_time(microseconds), parse_origin(origin))


DeadLetters = Annotated[DeadLetterService, Depends(Provider(DeadLetterService))]


@contextmanager
def _translate_errors() -> Iterator[None]:
    try:
        yield
    except (KafkaError, TimeoutError) as error:
        raise BrokerUnavailable(_describe_error(error)) from error


def _describe_error(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"Kafka does not respond; {_UNCONFIRMED}"
    return f"Kafka request failed ({type(error).__name__})"


def _make_problem(letter: DeadLetter, error: RedriveError) -> Problem:
    match error:
        case AlreadyRedrivenError():
            return AlreadyRedriven(str(error))
        case ConflictNotRedrivenError():
            return ConflictUnresolved(str(error))
        case RetiredDateNotRedrivenError():
            return RetiredDate(str(error))
        case OriginalMissingError():
            return DeadLetterGone(str(letter.origin))
        case _:
            return BrokerUnavailable(str(error))


BASE64: Final = "base64"


def _bytes(body: dict[str, Any] | str, encoding: str) -> bytes:
    try:
        if not isinstance(body, str):
            return orjson.dumps(body)
        return b64decode(body, validate=True) if encoding == BASE64 else body.encode()
    except (binascii.Error, ValueError, TypeError) as error:
        raise CorrectionRefused(f"body cannot be read as {encoding}: {error}", "not-json") from error
