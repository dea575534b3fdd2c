"""Values: how BigQuery reads them from lines of JSON and writes them into answers."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Field = Mapping[str, Any]

# A table's schema has the older of the two names that a type can have.
OLDER_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}
_INTEGERS = range(-(2**63), 2**63)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?( ?UTC|Z|[+-]\d\d:\d\d)?")


class BadRowError(Exception):
    """A line that does not fit, in BigQuery's words."""


def read_row(line: bytes, fields: Sequence[Field]) -> Row:
    """A line as a row: all fields, those that are not there as None."""
    try:
        given = json.loads(line)
    except ValueError as error:
        raise BadRowError("Parser terminated before end of string") from error
    if not isinstance(given, dict):
        raise BadRowError("Start of array encountered without start of object.")
    known = {field["name"] for field in fields}
    for name in given:
        if name not in known:
            raise BadRowError(f"No such field: {name}.")
    return {field["name"]: _read(given, field) for field in fields}


def written(value: Any) -> Any:
    """A value as a cell of an answer: text, or null. Timestamps are microseconds since 1970."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case datetime() if value.tzinfo is None:
            return value.isoformat()
        case datetime():
            return str((value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution))
        case int() | float() | Decimal() | str() | date():
            return str(value)
        case _:
            raise NotImplementedError(type(value))


def _read(given: Mapping[str, Any], field: Field) -> Any:
    name, kind = field["name"], OLDER_NAMES.get(field["type"], field["type"])
    value = given.get(name)
    if value is None:
        if field.get("mode") == "REQUIRED":
            raise BadRowError(
                f"Only optional fields can be set to NULL. Field: {name}; Value: NULL"
                if name in given
                else f"Missing required field: {name}."
            )
        return None
    match kind, value:
        case "STRING", str():
            return value
        case "INTEGER", int() if not isinstance(value, bool) and value in _INTEGERS:
            return value
        case "INTEGER", str() if re.fullmatch(r"-?\d{1,19}", value) and int(value) in _INTEGERS:
            return int(value)
        case "DATE", str() if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
        case "TIMESTAMP", str() if _TIMESTAMP.fullmatch(value):
            moment = datetime.fromisoformat(value.replace(" UTC", "Z").replace("UTC", "Z"))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        case (("DATE" | "TIMESTAMP"), _):
            form = "YYYY-MM-DD" if kind == "DATE" else "YYYY-MM-DD HH:MM[:SS[.SSSSSS]]"
            fault = f"Could not parse '{value}' as a {kind.lower()}. Required format is {form}"
        case (("STRING" | "INTEGER"), _):
            fault = f"Could not convert value to {kind.lower()}."
        case _:
            raise NotImplementedError(kind)
    raise BadRowError(f"{fault} Field: {name}; Value: {value}")
