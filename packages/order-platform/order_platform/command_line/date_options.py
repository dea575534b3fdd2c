"""The options `--from` and `--to`: business dates, or times."""

from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from order_contract.business_dates import parse_business_date
from order_contract.business_time import business_date_start, parse_typed_time
from order_platform.command_line.errors import UsageError
from order_platform.command_line.output import parse_argument

_DAY: Final = timedelta(days=1)
_DATE_LENGTH: Final = len("2026-11-20")


def _refuse_digits(text: str) -> None:
    if text.isdigit():  # ISO 8601 allows it, but its end would be its beginning
        raise ValueError(f"a date is written as 2026-11-20, got {text!r}")


def _parse_start(text: str) -> datetime:
    _refuse_digits(text)
    return parse_typed_time(text)


def _parse_end(text: str) -> datetime:
    """The end of a date, or a time."""
    _refuse_digits(text)
    if len(text) != _DATE_LENGTH:
        return parse_typed_time(text)
    return business_date_start(parse_business_date(text) + _DAY)


From = Annotated[
    datetime,
    typer.Option(
        "--from",
        parser=parse_argument(_parse_start),
        metavar="DATE",
        help="The first business date, or time, of the orders' creation.",
    ),
]
To = Annotated[
    datetime,
    typer.Option(
        "--to",
        parser=parse_argument(_parse_end),
        metavar="DATE",
        help="The last business date, which counts as a whole, or the time before which orders were created.",
    ),
]


def require_range(since: datetime, until: datetime) -> None:
    """Raises UsageError when the one is not before the other."""
    if until <= since:
        raise UsageError("--to ends before --from begins", "A date is its whole day: --from 2026-11-20 --to 2026-11-20")
