"""Reading and changing lists."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError

from order_api.auth.dependencies import principal_of
from order_api.auth.personal_data import PersonalDataPolicy, is_personal
from order_api.http.problems.requests import NotPermitted
from order_api.http.problems.resources import ListExists, ListUnknown
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.pagination import cut_page, parse_id, read_cursor
from order_api.kit.registry import Provider
from order_api.lists.filters import EndedSnooze, NewSnooze
from order_contract.decoding.decoder import EventDecoder
from order_lists import repository
from order_lists.model import (
    ChangeRequest,
    ChangeResult,
    ListEntry,
    ListError,
    ListSpec,
    OrderListSummary,
    OtherListError,
    UnknownListError,
    check_reason,
    check_spec,
    normalise_value,
)
from order_lists.snoozes import UnknownRuleError, end_snooze, snooze_expiry, snooze_rule

PROVENANCE: Final = "api"

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class ListService:
    """Lists, on the connections for listings: changes wait for each other, and keys take turns."""

    listings: FairPool
    decoder: EventDecoder
    personal_data: PersonalDataPolicy

    async def summaries(
        self, request: Request, *, kind: str | None, after: str | None, count: int
    ) -> Sequence[OrderListSummary]:
        """Lists in the order of their names."""
        return await self._run(
            request, lambda database: repository.list_summaries(database, kind=kind, after=after, count=count)
        )

    async def entries(
        self,
        request: Request,
        name: str,
        value: str | None,
        cursor: str | None,
        limit: int,
        *,
        at: datetime | None = None,
    ) -> tuple[ListSpec, Sequence[ListEntry], str | None]:
        """A list, a page of its entries in the order of their values, and the cursor for the next page.

        As it was at a past moment with `at`. Raises ListUnknown, NotPermitted, CursorUnknown.
        """
        listing = ["entries", name, value, at]
        after = None if cursor is None else read_cursor(cursor, listing, parse_value)
        spec, found = await self._read(
            request,
            name,
            value,
            lambda database, wanted: repository.list_entries(
                database, name, at=at, value=wanted, after=after, count=limit + 1
            ),
        )
        return spec, *cut_page(found, limit, listing, lambda entry: (entry.value,))

    async def history(
        self, request: Request, name: str, value: str | None, cursor: str | None, limit: int
    ) -> tuple[ListSpec, Sequence[ListEntry], str | None]:
        """A list, a page of the entries that it has or had, the latest first, and the cursor for the next page.

        Raises ListUnknown, NotPermitted, CursorUnknown.
        """
        listing = ["list-history", name, value]
        before = None if cursor is None else read_cursor(cursor, listing, _parse_place)
        spec, found = await self._read(
            request,
            name,
            value,
            lambda database, wanted: repository.list_history(
                database, name, value=wanted, before=before, count=limit + 1
            ),
        )
        return spec, *cut_page(found, limit, listing, lambda entry: (entry.added_in, entry.value))

    async def create(self, request: Request, name: str, kind: str, field: str) -> tuple[ListSpec, bool]:
        """Create a list unless it exists. Raises ListExists, RequestValidationError."""
        with _problems("field", field):
            spec = check_spec(name, kind, field)
            author = principal_of(request).author
            return spec, await self._change(request, lambda c: repository.create_list(c, spec, author))

    async def change(
        self,
        request: Request,
        name: str,
        *,
        reason: str,
        add: Sequence[str] = (),
        expires_at: datetime | None = None,
        remove: Sequence[str] = (),
    ) -> ChangeResult:
        """Add and remove values. Raises ListUnknown, RequestValidationError."""
        author, why = principal_of(request).author, _reason(reason)

        async def change(connection: repository.Connection) -> ChangeResult:
            spec = await repository.find_list(connection, name)
            wanted: dict[str, datetime | None] = dict.fromkeys(self._normalise(spec, add), expires_at)
            return await repository.change_entries(
                connection,
                ChangeRequest(
                    list_name=name,
                    author=author,
                    reason=why,
                    provenance=PROVENANCE,
                    action="add" if add else "remove",
                    add=wanted,
                    remove=frozenset(self._normalise(spec, remove)),
                ),
            )

        with _problems():
            return await self._change(request, change)

    async def snooze(self, request: Request, wanted: NewSnooze) -> ChangeResult:
        """Snooze a rule. Raises RequestValidationError."""
        value, why, author = self._snoozed(wanted), _reason(wanted.reason), principal_of(request).author
        expires_at = snooze_expiry(datetime.now(UTC), wanted.days)
        with _problems("rule", wanted.rule):
            return await self._change(
                request,
                lambda connection: snooze_rule(
                    connection, wanted.rule, wanted.field, [value],
                    expires_at=expires_at, author=author, reason=why, provenance=PROVENANCE,
                ),
            )  # fmt: skip

    async def end_snooze(self, request: Request, wanted: EndedSnooze) -> ChangeResult:
        """Let a rule count again. Raises ListUnknown, RequestValidationError."""
        value, why, author = self._snoozed(wanted), _reason(wanted.reason), principal_of(request).author
        with _problems("rule", wanted.rule):
            return await self._change(
                request,
                lambda connection: end_snooze(
                    connection, wanted.rule, wanted.field, [value],
                    author=author, reason=why, provenance=PROVENANCE,
                ),
            )  # fmt: skip

    async def _read(
        self,
        request: Request,
        name: str,
        value: str | None,
        read: Callable[[Database, str | None], Awaitable[Sequence[ListEntry]]],
    ) -> tuple[ListSpec, Sequence[ListEntry]]:
        """A list, and entries of it; `read` gets the value as lists hold it, None when all are asked for."""

        async def work(database: Database) -> tuple[ListSpec, Sequence[ListEntry]]:
            spec = await repository.find_list(database, name)
            if is_personal(spec.field) and self.personal_data.masks(principal_of(request)):
                raise NotPermitted(f"list {name} holds values of {spec.field}, which is masked for your key")
            try:
                wanted = None if value is None else normalise_value(spec.field, value, self.decoder)
            except ListError:
                return spec, []  # no order has such a value, and so no list
            return spec, await read(database, wanted)

        with _problems():
            return await self._run(request, work)

    def _snoozed(self, wanted: NewSnooze | EndedSnooze) -> str:
        with _problems("value", wanted.value):
            return normalise_value(wanted.field, wanted.value, self.decoder)

    def _normalise(self, spec: ListSpec, values: Sequence[str]) -> list[str]:
        normalised = []
        for index, value in enumerate(values):
            with _problems("values", value, index):
                normalised.append(normalise_value(spec.field, value, self.decoder))
        return normalised

    async def _run(self, request: Request, work: Callable[[Database], Awaitable[Result]]) -> Result:
        return await self.listings.run(request, principal_of(request).key_id, work)

    async def _change(self, request: Request, work: Callable[[repository.Connection], Awaitable[Result]]) -> Result:
        async def change(database: Database) -> Result:
            async with database.connection() as connection:
                return await work(connection)

        return await self._run(request, change)


Lists = Annotated[ListService, Depends(Provider(ListService))]


def parse_value(value: str) -> str:
    """The name or value in a cursor. Raises ValueError for what is not text."""
    if type(value) is not str or not value or "\0" in value:
        raise ValueError("is not a name or value")
    return value


def _parse_place(number: int, value: str) -> tuple[int, str]:
    return parse_id(number), parse_value(value)


def _reason(text: str) -> str:
    with _problems("reason", text):
        return check_reason(text)


@contextmanager
def _problems(field: str = "name", value: object = None, *place: int) -> Iterator[None]:
    """Turn errors about lists into problems; those about a value name the field of the body."""
    try:
        yield
    except UnknownListError as error:
        raise ListUnknown(str(error)) from None
    except OtherListError as error:
        raise ListExists(str(error)) from None
    except (UnknownRuleError, ListError) as error:
        found: dict[str, Any] = {"type": "list", "loc": ("body", field, *place), "input": value, "msg": str(error)}
        raise RequestValidationError([found]) from None
