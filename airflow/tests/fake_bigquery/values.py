"""Values: how BigQuery writes them into answers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Row = dict[str, Any]
Field = Mapping[str, Any]

# A table's schema has the older of the two names that a type can have.
OLDER_NAMES = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}


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
