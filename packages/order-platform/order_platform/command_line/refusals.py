"""The report of an import: which lines of a file were refused, and why."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from order_platform.command_line.errors import CommandError
from order_platform.command_line.output import ERR
from order_platform.command_line.terminal_text import printable
from order_platform.csv_rows import Refusal

_SHOWN: Final = 20


def report_refusals(file: Path, refusals: Sequence[Refusal], report: Path | None, *, consequence: str) -> None:
    """Print the first refused lines, and write all of them to a file if one is given.

    Raises CommandError with the consequence when that file cannot be written.
    """
    if report is not None:
        try:
            with report.open("w", encoding="utf-8", newline="") as lines:
                writer = csv.writer(lines)
                writer.writerow(Refusal._fields)
                writer.writerows(refusals)
        except OSError as error:
            raise CommandError(f"{report} cannot be written: {error.strerror}", consequence) from None
    for refusal in refusals[:_SHOWN]:
        ERR.print(f"{file}:{refusal.line}: {printable(refusal.problem)}", markup=False)
    if len(refusals) > _SHOWN:
        more = f"and {len(refusals) - _SHOWN:,} more lines"
        ERR.print(f"{more}, all in {report}" if report else f"{more}; --refused FILE writes all of them", markup=False)
