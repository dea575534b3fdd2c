"""The seconds between two times, compiled or not, are those of their difference, to the bit."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import example, given
from hypothesis import strategies as st

from decision_engine.history.series_functions import seconds_between, seconds_by_difference

ZONES = st.sampled_from([UTC, timezone(timedelta(hours=7)), timezone(-timedelta(minutes=1))])
TIMES = st.datetimes(timezones=ZONES) | st.datetimes(timezones=st.just(UTC))


@given(TIMES, TIMES)
@example(datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
@example(datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 11, 20, 3, 4, 5, 678_901, tzinfo=UTC))
def test_seconds_are_those_of_the_difference(later: datetime, earlier: datetime) -> None:
    assert seconds_between(later, earlier) == seconds_by_difference(later, earlier)
