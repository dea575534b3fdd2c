"""Labels in a CSV file: which lines are label events, and what is wrong with the others."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from order_contract.event import BadEvent
from order_contract.label import LabelEvent
from order_contract.label_record import parse_label
from order_platform.csv_rows import CsvRow, Refusal, read_csv_rows

REQUIRED_COLUMNS: Final = ("order_id", "label")


class LabelFile(NamedTuple):
    """The labels of a file in its order, and its refused lines."""

    events: Sequence[LabelEvent]
    refusals: Sequence[Refusal]


def read_labels(lines: Iterable[str], defaults: Mapping[str, str], latest: datetime) -> LabelFile:
    """Read a CSV file with a header; `defaults` are the values of columns that are absent or empty.

    Raises CsvFileError.
    """
    events: list[LabelEvent] = []
    refusals: list[Refusal] = []
    for row in read_csv_rows(lines, LabelEvent._fields, REQUIRED_COLUMNS):
        if not isinstance(row, CsvRow):
            refusals.append(row)
            continue
        given = {name: value for name, value in row.values.items() if value or name in REQUIRED_COLUMNS}
        try:
            events.append(parse_label({**defaults, **given}, latest))
        except BadEvent as error:
            column = error.field or ""
            refusals.append(Refusal(row.line, column, row.values.get(column, ""), str(error)))
    return LabelFile(events, refusals)
