"""Past members of lists: those of the change that a detector had applied when it decided an order."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from decision_engine.lists import EntryChange, ListMembers


class ListEntrySpan(NamedTuple):
    """A value in a list from change `added_in` on, and before change `removed_in`; `field` is the list's."""

    list_name: str
    field: str
    value: str
    expires_at: datetime | None
    added_in: int
    removed_in: int | None


class PastLists:
    """The members of all lists, brought to one change number after another; mostly to the same one or a later one."""

    def __init__(self, entries: Iterable[ListEntrySpan]) -> None:
        self.members = ListMembers()
        self._entries = list(entries)
        self._changes = [(number, [change for _, change in each]) for number, each in _by_number(self._entries)]
        self._applied = 0

    def move_to(self, number: int) -> None:
        """Let the members be those of a change number."""
        if number < self.members.number:
            self.members.load(number, (_added(each) for each in self._entries if _is_member(each, number)))
            self._applied = sum(each <= number for each, _ in self._changes)
            return
        while self._applied < len(self._changes) and self._changes[self._applied][0] <= number:
            self.members.apply(*self._changes[self._applied])
            self._applied += 1
        self.members.number = max(self.members.number, number)


def _is_member(entry: ListEntrySpan, number: int) -> bool:
    return entry.added_in <= number and (entry.removed_in is None or entry.removed_in > number)


def _added(entry: ListEntrySpan) -> EntryChange:
    return EntryChange(entry.list_name, entry.field, entry.value, entry.expires_at, is_added=True)


def _by_number(entries: Sequence[ListEntrySpan]) -> Iterator[tuple[int, Iterator[tuple[int, EntryChange]]]]:
    """The changes, each with what it removes before what it adds: a value with another expiry is both."""
    changes = [(each.added_in, _added(each)) for each in entries]
    changes += [(each.removed_in, _added(each)._replace(is_added=False)) for each in entries if each.removed_in]
    changes.sort(key=lambda change: (change[0], change[1].is_added))
    return groupby(changes, key=lambda change: change[0])
