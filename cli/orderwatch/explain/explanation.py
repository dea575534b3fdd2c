"""Explanation of an order or message: sections, each with the differences from what is stored, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from order_contract.decision import OrderRow

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

    `checked` describes what was compared with the stored row; None where there was nothing to compare, and then
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
        """The differences as sentences."""
        return [
            f"{each.field}: stored {_format_value(each.stored)}, {self.here} {_format_value(each.here)}"
            for each in self.differences
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


def _format_value(value: object) -> str:
    if value is None:
        return "nothing"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... (cut)"


_JSON_COLUMNS = ("hits", "features")


def stored_features(row: OrderRow) -> dict[str, Any]:
    """The features by name; none when the column holds something else, which no release writes."""
    features = orjson.loads(row.features)
    return features if isinstance(features, dict) else {}


def stored_hits(row: OrderRow) -> list[dict[str, Any]]:
    """The hits; none when the column holds something else."""
    hits = orjson.loads(row.hits)
    return [hit for hit in hits if isinstance(hit, dict)] if isinstance(hits, list) else []


def decision_from_columns(columns: Mapping[str, Any]) -> dict[str, object]:
    """Columns of table `orders` with their JSON parsed, and hits by rule."""
    return decision_from_fields(
        {name: orjson.loads(value) if name in _JSON_COLUMNS else value for name, value in columns.items()}
    )


def decision_from_fields(fields: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a decision with its hits by rule; hits in another format are left as they are."""
    hits = fields.get("hits")
    if not isinstance(hits, list) or not all(isinstance(hit, dict) and "rule" in hit for hit in hits):
        return dict(fields)
    return {**fields, "hits": {hit["rule"]: {name: hit[name] for name in hit if name != "rule"} for hit in hits}}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of `subject`, an order or a message, place by place."""

    subject: str
    sections: Sequence[Section]

    @property
    def agrees(self) -> bool:
        """Whether no place contradicts what is stored."""
        return not any(section.differences for section in self.sections)

    def sentences(self) -> list[str]:
        """All differences as sentences."""
        return [sentence for section in self.sections for sentence in section.sentences()]

    def verdict(self) -> str:
        """One line: what was compared and whether it agrees."""
        if not self.agrees:
            places = [
                f"{section.name.replace('_', ' ')} ({', '.join(each.field for each in section.differences)})"
                for section in self.sections
                if section.differences
            ]
            return f"{self.subject} is not consistent: {', '.join(places)}."
        checked = [section.name for section in self.sections if section.checked is not None]
        return f"{self.subject} is consistent; compared: {', '.join(checked).replace('_', ' ') or 'nothing'}."
