"""Members of lists, and the features of an order that name the lists in which it is.

Membership is a fold over numbered changes: the same changes give the same members, so a change number is all that a
replay needs. An entry holds for orders that were created before it expires; the time of deciding does not matter.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from decision_engine.compilation import LISTS
from decision_engine.features import Features, FeatureState
from decision_engine.rule import SNOOZE, Ruleset
from decision_engine.schema import field_reader
from order_contract.event import OrderEvent

Expiry = datetime | None
"""When an entry ends for the orders that are created from then on; None when it does not expire."""


class EntryChange(NamedTuple):
    """One value that was added to a list, or removed from it; `field` is the list's.

    A value that is added again has a new expiry.
    """

    list_name: str
    field: str
    value: str
    expires_at: Expiry
    is_added: bool


class ListMembers:
    """The members of all lists at one change number."""

    def __init__(self) -> None:
        self.number = 0
        """Of the last change that was applied; 0 before the first one."""
        self.layout = 0
        """Another one once there are other lists."""
        self._fields: dict[str, str] = {}
        self._members: dict[str, dict[str, Expiry]] = {}

    def load(self, number: int, entries: Iterable[EntryChange]) -> None:
        """Replace everything by the members at a change number."""
        self.layout += 1
        self._fields.clear()
        self._members.clear()
        for entry in entries:
            self._change(entry)
        self.number = number

    def apply(self, number: int, entries: Iterable[EntryChange]) -> None:
        """Apply the next change, all of it; one that was applied before is passed over."""
        if number <= self.number:
            return
        for entry in entries:
            self._change(entry)
        self.number = number

    def _change(self, entry: EntryChange) -> None:
        members = self.members_of(entry.list_name)
        if self._fields.get(entry.list_name) != entry.field:
            self._fields[entry.list_name] = entry.field
            self.layout += 1
        if entry.is_added:
            members[entry.value] = entry.expires_at
        else:
            members.pop(entry.value, None)

    def members_of(self, list_name: str) -> dict[str, Expiry]:
        """The members of a list; changes of the list show in the same dict."""
        return self._members.setdefault(list_name, {})

    @property
    def fields(self) -> Mapping[str, str]:
        """The field of each list that ever had an entry."""
        return self._fields

    @property
    def sizes(self) -> Mapping[str, int]:
        """The number of members by list."""
        return {name: len(members) for name, members in self._members.items()}


class ListFeatures:
    """The FeatureState that adds the lists in which an order is to the features of another one.

    It looks into the lists that a ruleset declares, and into the snoozes of its rules.
    """

    def __init__(self, state: FeatureState, members: ListMembers, ruleset: Ruleset) -> None:
        self._state = state
        self._members = members
        self._declared = {each.name: each.field for each in ruleset.schema.lists.values()}
        self._fixed = {each.name: each.values for each in ruleset.schema.lists.values()}
        self._rules = frozenset(rule.id for rule in ruleset.rules)
        self._layout = -1
        self._lookups: Sequence[_Lookup] = ()

    def features(self, event: OrderEvent) -> Features:
        return self.with_lists(event, self._state.features(event))

    def with_lists(self, event: OrderEvent, features: Features) -> Features:
        """The features of an order that the other state gave, and the lists."""
        lookups = self._lookups if self._layout == self._members.layout else self._find_lookups()
        names = _names_of_lists(event, lookups) if lookups else ()
        return {**features, LISTS: names} if names else features

    @property
    def seen(self) -> int | None:
        """The number of the last change that decisions see; None while no list concerns the ruleset."""
        lookups = self._lookups if self._layout == self._members.layout else self._find_lookups()
        return self._members.number if lookups else None

    def _find_lookups(self) -> Sequence["_Lookup"]:
        self._layout = self._members.layout
        snoozes = {name: field for name, field in self._members.fields.items() if snoozed_rule(name) in self._rules}
        self._lookups = [
            _Lookup(name, field_reader(field), self._members.members_of(name), self._fixed.get(name, frozenset()))
            for name, field in {**self._declared, **dict(sorted(snoozes.items()))}.items()
        ]
        return self._lookups


class _Lookup(NamedTuple):
    """A list, how to read an order's value for it, and its members: those of changes, and those of the ruleset."""

    name: str
    read: Callable[[OrderEvent], Any]
    members: Mapping[str, Expiry]
    fixed: frozenset[str]


def _names_of_lists(event: OrderEvent, lookups: Sequence[_Lookup]) -> tuple[str, ...]:
    names: tuple[str, ...] = ()
    for name, read, members, fixed in lookups:
        value = read(event)
        if value in members:
            expires_at = members[value]
            if expires_at is None or event.created_date < expires_at:
                names += (name,)
                continue
        if fixed and value in fixed:
            names += (name,)
    return names


def snooze_name(rule_id: str, field: str) -> str:
    """The name of the list whose members a rule is snoozed for."""
    return f"{SNOOZE}{rule_id}:{field}"


def snoozed_rule(list_name: str) -> str | None:
    """The rule that is snoozed for the members of a list; None for any other list."""
    return list_name.split(":")[1] if list_name.startswith(SNOOZE) else None
