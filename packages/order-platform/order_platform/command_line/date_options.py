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


def _parse_end(text: str) -> datetime:
    """The end of a date, or a time."""
    if len(text) != _DATE_LENGTH:
        return parse_typed_time(text)
    return business_date_start(parse_business_date(text) + _DAY)


From = Annotated[
    datetime,
    typer.Option(
        "--from",
        parser=parse_argument(parse_typed_time),
        metavar="DATE",
        help="The first business date, or a time, by which orders were created.",
    ),
]
To = Annotated[
    datetime,
    typer.Option(
        "--to",
        parser=parse_argument(_parse_end),
        metavar="DATE",
        help="The last business date, which counts as a whole, or a time.",
    ),
]


def require_range(since: datetime, until: datetime) -> None:
    """Raises UsageError when the one is not before the other."""
    if until <= since:
        raise UsageError("--to ends before --from begins", "A date is its whole day: --from 2026-11-20 --to 2026-11-20")
