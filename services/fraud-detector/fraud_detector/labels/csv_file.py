"""Labels in a CSV file: which lines are label events, and what is wrong with the others."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from order_contract.event import BadEvent
from order_contract.label import LabelEvent
from order_contract.label_record import parse_label
from order_contract.nearest import nearest_name

REQUIRED_COLUMNS: Final = ("order_id", "label")


class LabelFileError(ValueError):
    """The file as a whole cannot be read as labels; the text says why and what to write."""


class Refusal(NamedTuple):
    """A line that is not a label: where, the first column at fault with its value, and everything that is wrong."""

    line: int
    column: str
    value: str
    problem: str


class LabelFile(NamedTuple):
    """The labels of a file in its order, and its refused lines."""

    events: Sequence[LabelEvent]
    refusals: Sequence[Refusal]


def read_labels(lines: Iterable[str], defaults: Mapping[str, str], latest: datetime) -> LabelFile:
    """Read a CSV file with a header; `defaults` are the values of columns that are absent or empty.

    Raises LabelFileError.
    """
    reader = csv.reader(lines, strict=True)
    columns: list[str] | None = None
    events: list[LabelEvent] = []
    refusals: list[Refusal] = []
    try:
        while True:
            line = reader.line_num + 1
            values = next(reader, None)
            if values is None:
                break
            if not values:
                continue
            if columns is None:
                columns = [value.strip() for value in values]
                _check_header(columns)
                continue
            if len(values) != len(columns):
                problem = f"it has {len(values)} values, and the header has {len(columns)}; quote values with commas"
                refusals.append(Refusal(line, "", ",".join(values), problem))
                continue
            raw = dict(zip(columns, values, strict=True))
            given = {name: value for name, value in raw.items() if value or name in REQUIRED_COLUMNS}
            try:
                events.append(parse_label({**defaults, **given}, latest))
            except BadEvent as error:
                column = error.field or ""
                refusals.append(Refusal(line, column, raw.get(column, ""), str(error)))
    except csv.Error as error:
        raise LabelFileError(f"line {reader.line_num} is not valid CSV: {error}") from None
    except UnicodeDecodeError as error:
        problem = f"the text after line {reader.line_num} is not in UTF-8 ({error.reason}); save the file in UTF-8"
        raise LabelFileError(problem) from None
    if columns is None:
        raise LabelFileError(f"it is empty; the first line names the columns: {','.join(LabelEvent._fields)}")
    return LabelFile(events, refusals)


def _check_header(columns: Sequence[str]) -> None:
    known = {name: name for name in LabelEvent._fields}
    for place, column in enumerate(columns):
        if column not in known:
            nearest = nearest_name(column.lower()[:64], known)
            hint = f"write {nearest}" if nearest else f"there are {', '.join(known)}"
            raise LabelFileError(f"the header has a column {column[:64]!r}, which labels do not have; {hint}")
        if column in columns[:place]:
            raise LabelFileError(f"the header has the column {column} twice; leave one out")
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            raise LabelFileError(f"the header has no column {column}; the first line names the columns")
