"""Diagnostics of a ruleset that is being written: what is wrong where, and which names it may use."""

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from decision_engine.expression import KINDS
from decision_engine.lint import ruleset_warnings
from decision_engine.marketplace_pack import pack_problem
from decision_engine.pack_mode import PackMode
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from decision_engine.schema import Schema
from order_contract.reference_data import PaymentMethods

NAME: Final = "draft"
_PLACE: Final = re.compile(rf"{NAME}:(\d+)(?::(\d+))?: (.*)", re.DOTALL)
_WARNING: Final = "warning: "


class Severity(StrEnum):
    """Whether a ruleset is not accepted, or probably mistaken."""

    ERROR = "error"
    WARNING = "warning"


class Diagnostic(NamedTuple):
    """What is wrong at a place, and what to write instead. Lines and columns count from 1."""

    line: int
    column: int
    severity: Severity
    message: str


class NameKind(StrEnum):
    """Where the value of a name comes from."""

    FIELD = "field"
    FEATURE = "feature"
    ATTRIBUTE = "attribute"
    PARAMETER = "parameter"
    LIST = "list"


class KnownName(NamedTuple):
    """A name that conditions may use, and what its value is: `number`, `text`, or the field that a list is of."""

    name: str
    kind: NameKind
    meaning: str


class Diagnosis(NamedTuple):
    """The diagnostics of a text, and the names that it may use: None while the text is not a ruleset."""

    diagnostics: Sequence[Diagnostic]
    names: Sequence[KnownName] | None
    ruleset: Ruleset | None


def diagnose(text: str, pack: PackMode, methods: PaymentMethods) -> Diagnosis:
    """Check a text as it is checked when it is saved, and with the marketplace pack as detectors run it."""
    try:
        ruleset = parse_ruleset(text, NAME)
    except RulesetError as error:
        return Diagnosis([_diagnostic(str(error))], None, None)
    found = [_diagnostic(warning) for warning in ruleset_warnings(ruleset, NAME, methods)]
    if (problem := pack_problem(ruleset, pack)) is not None:
        found.append(Diagnostic(1, 1, Severity.ERROR, problem))
    return Diagnosis(found, [*known_names(ruleset.schema)], ruleset)


def known_names(schema: Schema) -> Iterator[KnownName]:
    """The names that conditions over a schema may use."""
    for kind, names in (
        (NameKind.FIELD, {**schema.fields, **schema.optional}),
        (NameKind.FEATURE, {**schema.features, **schema.history}),
        (NameKind.ATTRIBUTE, schema.qualified_attributes),
    ):
        yield from (KnownName(name, kind, KINDS[type_]) for name, type_ in names.items())
    for name, value in schema.parameters.items():
        yield KnownName(
            name, NameKind.PARAMETER, ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        )
    for name, each in schema.lists.items():
        yield KnownName(name, NameKind.LIST, f"{each.kind}, {each.field}")


def _diagnostic(text: str) -> Diagnostic:
    place = _PLACE.fullmatch(text)
    if place is None:
        return Diagnostic(1, 1, Severity.ERROR, text.removeprefix(f"{NAME}: "))
    line, column, message = place.groups()
    severity = Severity.WARNING if message.startswith(_WARNING) else Severity.ERROR
    return Diagnostic(int(line), int(column or 1), severity, message.removeprefix(_WARNING))
