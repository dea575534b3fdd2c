"""A section of an explanation: what is said of an order in one place, and whether that agrees with what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SHOWN = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is stored as one thing, and is another here."""

    field: str
    stored: object
    here: object


@dataclass(frozen=True, slots=True)
class Section:
    """What one place says. `facts` and `rows` (a table) are plain values, for people and programs alike.

    `checked` is what was compared with the stored row, in words; None where there was nothing to compare, and then
    `notes` say why. `here` names this place in the sentences about differences.
    """

    name: str
    title: str
    facts: Mapping[str, object] = field(default_factory=dict)
    rows: Sequence[Mapping[str, object]] = ()
    notes: Sequence[str] = ()
    checked: str | None = None
    here: str = "here"
    differences: Sequence[Difference] = ()

    def sentences(self) -> list[str]:
        """The differences in words."""
        return [
            f"{each.field}: stored {_shown(each.stored)}, {self.here} {_shown(each.here)}" for each in self.differences
        ]


def differences(stored: Mapping[str, object], here: Mapping[str, object], within: str = "") -> list[Difference]:
    """The fields that are not the same, type included, in the order of `stored`; a missing one is None.

    Of nested mappings it is the innermost that differ, named `hits.foreign-country.score`.
    """
    found: list[Difference] = []
    for name in dict.fromkeys([*stored, *here]):
        one, other = stored.get(name), here.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            found += differences(one, other, f"{within}{name}.")
        elif (type(one), one) != (type(other), other):
            found.append(Difference(f"{within}{name}", one, other))
    return found


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... (cut)"
