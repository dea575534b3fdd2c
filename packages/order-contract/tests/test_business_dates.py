"""Business dates as people type them."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.business_dates import FIRST_DATE, LAST_DATE, MOST_DATES, parse_business_dates

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-11-20", date(2026, 11, 20), date(2026, 11, 20)),
        ("2026-11-18..2026-11-20", date(2026, 11, 18), date(2026, 11, 20)),
        ("2026-11-18..", date(2026, 11, 18), date(2026, 11, 21)),
        ("2026-11-21..", date(2026, 11, 21), date(2026, 11, 21)),
        ("2026-11-22", TODAY, TODAY),
        ("2024-02-29", date(2024, 2, 29), date(2024, 2, 29)),
        (" 2026-11-20 ", date(2026, 11, 20), date(2026, 11, 20)),
        ("2000-01-01", FIRST_DATE, FIRST_DATE),
        ("2100-12-31", LAST_DATE, LAST_DATE),
    ],
)
def test_one_date_a_range_and_a_range_up_to_yesterday(text: str, first: date, last: date) -> None:
    assert parse_business_dates(text, TODAY) == (first, last)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a date; write one such as 2026-11-20"),
        ("yesterday", "is not a date; write"),
        ("20261120", "is not a date; write"),
        ("2026-W47-5", "is not a date; write"),
        ("2026-11-20T00:00", "is not a date; write"),
        ("\u0662026-11-20", "is not a date; write"),
        ("2026-11-18...2026-11-20", "'.2026-11-20' is not a date"),
        ("2026-11-18..2026-11-20..2026-11-21", "is not a date"),
        ("2026-02-30", "no calendar has it"),
        ("2026-11-18..2026-11-31", "'2026-11-31' is not a date: no calendar has it"),
        ("0000-01-01", "no calendar has it"),
        ("1999-12-31", "is not a date between 2000-01-01 and 2100-12-31"),
        ("2101-01-01", "is not a date between"),
        ("9999-12-31", "is not a date between"),
        ("2026-11-20..2026-11-18", "ends before it begins; write 2026-11-18..2026-11-20"),
        ("..2026-11-20", "has no first date"),
        ("..", "has no first date"),
        ("2026-11-22..", "would end yesterday, 2026-11-21, before it begins; write 2026-11-22 for that date alone"),
        ("2000-01-01..2100-12-31", f"has 36,890 dates; write a range of at most {MOST_DATES:,}"),
        ("x" * 100_000, "is not a date"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"write|between") as caught:
        parse_business_dates(text, TODAY)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text(st.sampled_from("0123456789-. ")))
def test_every_text_is_a_range_within_bounds_or_refused(text: str) -> None:
    try:
        first, last = parse_business_dates(text, TODAY)
    except ValueError:
        return
    assert FIRST_DATE <= first <= last <= LAST_DATE
    assert (last - first).days < MOST_DATES
