"""Entries of a list in a CSV file: which lines are entries, and what is wrong with the others."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from order_contract.business_time import parse_typed_time
from order_contract.decoding.decoder import EventDecoder
from order_lists.model import ListError, normalise_value
from order_platform.csv_rows import CsvRow, Refusal, read_csv_rows

COLUMNS: Final = ("value", "expires_at")
REQUIRED_COLUMNS: Final = ("value",)


class EntryFile(NamedTuple):
    """The entries of a file with their expiry, and its refused lines."""

    entries: dict[str, datetime | None]
    refusals: Sequence[Refusal]


def read_entries(
    lines: Iterable[str], field: str, decoder: EventDecoder, expires_at: datetime | None = None
) -> EntryFile:
    """Read a CSV file with the columns value and, if there is one, expires_at.

    Lines without an expiry get `expires_at`. Raises CsvFileError.
    """
    entries: dict[str, datetime | None] = {}
    refusals: list[Refusal] = []
    first_line: dict[str, int] = {}
    for row in read_csv_rows(lines, COLUMNS, REQUIRED_COLUMNS):
        if not isinstance(row, CsvRow):
            refusals.append(row)
            continue
        column = "value"
        try:
            value = normalise_value(field, row.values[column].strip(), decoder)
            column = "expires_at"
            given = row.values.get(column, "").strip()
            expiry = parse_typed_time(given) if given else expires_at
        except (ListError, ValueError) as error:
            refusals.append(Refusal(row.line, column, row.values[column], str(error)))
            continue
        if value in entries and entries[value] != expiry:
            problem = f"'{value}' is on line {first_line[value]} with another expiry; remove one of the lines"
            refusals.append(Refusal(row.line, "expires_at", row.values.get("expires_at", ""), problem))
            continue
        first_line.setdefault(value, row.line)
        entries[value] = expiry
    return EntryFile(entries, refusals)
