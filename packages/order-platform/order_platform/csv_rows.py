"""CSV files that people make or open: rows by their columns' names with refused lines, and texts of cells."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from order_contract.nearest import nearest_name


class CsvFileError(ValueError):
    """The file as a whole cannot be read; the text says why and what to write."""


class Refusal(NamedTuple):
    """A line that is refused: where, the first column at fault with its value, and what is wrong."""

    line: int
    column: str
    value: str
    problem: str


class CsvRow(NamedTuple):
    """A line's values by column."""

    line: int
    values: Mapping[str, str]


def read_csv_rows(lines: Iterable[str], columns: Sequence[str], required: Sequence[str]) -> Iterator[CsvRow | Refusal]:
    """The rows of a CSV file with a header, whose columns are some of `columns`. Raises CsvFileError."""
    reader = csv.reader(lines, strict=True)
    header: list[str] | None = None
    try:
        while True:
            line = reader.line_num + 1
            values = next(reader, None)
            if values is None:
                break
            if not values:
                continue
            if header is None:
                header = [value.strip() for value in values]
                _check_header(header, columns, required)
            elif len(values) != len(header):
                problem = f"it has {len(values)} values, and the header has {len(header)}; quote values with commas"
                yield Refusal(line, "", ",".join(values), problem)
            else:
                yield CsvRow(line, dict(zip(header, values, strict=True)))
    except csv.Error as error:
        raise CsvFileError(f"line {reader.line_num} is not valid CSV: {error}") from None
    except UnicodeDecodeError as error:
        problem = f"the text after line {reader.line_num} is not in UTF-8 ({error.reason}); save the file in UTF-8"
        raise CsvFileError(problem) from None
    if header is None:
        raise CsvFileError(f"it is empty; the first line names the columns: {','.join(columns)}")


def _check_header(header: Sequence[str], columns: Sequence[str], required: Sequence[str]) -> None:
    known = {name: name for name in columns}
    for place, column in enumerate(header):
        if column not in known:
            nearest = nearest_name(column.lower()[:64], known)
            hint = f"write {nearest}" if nearest else f"there are {', '.join(known)}"
            raise CsvFileError(f"the header has an unknown column {column[:64]!r}; {hint}")
        if column in header[:place]:
            raise CsvFileError(f"the header has the column {column} twice; leave one out")
    for column in required:
        if column not in header:
            raise CsvFileError(f"the header has no column {column}; the first line names the columns")


_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def spreadsheet_text(value: str) -> str:
    """A text for a cell of a CSV file that people open in a spreadsheet, which must not take it for a formula.

    One that begins like a formula gets an apostrophe in front of it.
    """
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
