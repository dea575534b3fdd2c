"""Query parameters: what is taken, and as what."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from order_api.kit import query_parameters as parameters
from order_api.kit.pagination import EARLIEST, LATEST


def take(kind: Any, text: str) -> Any:
    return TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-22T10:15:00+07:00", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22T03:15:00Z", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22t03:15:00.5z", datetime(2026, 11, 22, 3, 15, 0, 500_000, tzinfo=UTC)),
        ("2026-11-22T10:15:00", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22 10:15:00", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 21, 17, tzinfo=UTC)),
        ("2026-11-22T10:15:00 07:00", datetime(2026, 11, 22, 3, 15, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("9999-12-31T23:59:59-23:59", LATEST),
    ],
)
def test_bounds(text: str, moment: datetime) -> None:
    assert take(parameters.TimeBound, text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "1763780000", "2026-11-22T25:00:00Z", "\0"])
def test_bad_bounds(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a date and time"):
        take(parameters.TimeBound, text)


@given(st.text())
def test_bounds_never_fail_otherwise(text: str) -> None:
    try:
        moment = take(parameters.TimeBound, text)
    except ValidationError:
        return
    assert moment.tzinfo is not None


@pytest.mark.parametrize(("text", "seconds"), [("5s", 5), ("500ms", 0.5), ("0s", 0), ("30s", 30), ("30000ms", 30)])
def test_valid_waits_are_parsed(text: str, seconds: float) -> None:
    assert take(parameters.Wait, text) == seconds


@pytest.mark.parametrize("text", ["", "5", "31s", "30001ms", "-1s", "1.5s", "5m", "5s ", "\u0665s", "999999999999s"])
def test_bad_waits(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a time like 5s or 500ms, of at most 30s"):
        take(parameters.Wait, text)


@pytest.mark.parametrize("text", ["", "1.0", "1_000", " 5", "+5", "1e3", "\u0665", "9" * 40, "-" + "9" * 40, "0x10"])
def test_whole_numbers_only(text: str) -> None:
    with pytest.raises(ValidationError):
        take(parameters.Amount, text)


@pytest.mark.parametrize(
    ("kind", "given_text", "taken"),
    [
        (parameters.Country, "id", "ID"),
        (parameters.Currency, "idr", "IDR"),
        (parameters.PaymentMethod, "gopay", "GoPay"),
        (parameters.PaymentMethod, "House Credit", "House Credit"),
        (parameters.IpAddress, "2001:DB8:0::1", "2001:db8::1"),
        (parameters.Limit, "500", 500),
        (parameters.Amount, "0", 0),
    ],
)
def test_canonical_forms(kind: Any, given_text: str, taken: object) -> None:
    assert take(kind, given_text) == taken


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (parameters.Country, "IDN"),
        (parameters.Country, "\N{LATIN SMALL LETTER DOTLESS I}d"),
        (parameters.Currency, "1DR"),
        (parameters.IpAddress, "10.0.0.256"),
        (parameters.Identifier, ""),
        (parameters.Identifier, "a\0b"),
        (parameters.Identifier, "x" * 65),
        (parameters.Identifier, "\ud800"),
        (parameters.Text, "x" * 321),
        (parameters.Limit, "0"),
        (parameters.Limit, "501"),
        (parameters.Amount, "-1"),
    ],
)
def test_invalid_values_are_rejected(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        take(kind, text)
