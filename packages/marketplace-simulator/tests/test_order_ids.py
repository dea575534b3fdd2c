"""Order ids: ULIDs that sort by time and repeat with their seed."""

import re

from hypothesis import given
from hypothesis import strategies as st

from marketplace_simulator.orders import OrderIds
from marketplace_simulator.seeded_random import SeededRandom

milliseconds = st.integers(0, 2**48 - 1)


@given(st.lists(milliseconds, min_size=1, max_size=50))
def test_ids_made_in_order_of_time_sort_like_that(times: list[int]) -> None:
    ids = OrderIds(SeededRandom(1))

    made = [ids.next(time) for time in sorted(times)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", order_id) for order_id in made)


@given(milliseconds)
def test_the_time_can_be_read_back(time: int) -> None:
    order_id = OrderIds(SeededRandom(2)).next(time)

    assert int(order_id[:10].translate(str.maketrans("ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUV")), 32) == time


def test_ids_repeat_with_their_random_numbers_and_with_nothing_else() -> None:
    def make(seed: int) -> list[str]:
        ids = OrderIds(SeededRandom(seed))
        return [ids.next(time) for time in (1, 1, 5)]

    assert make(1) == make(1)
    assert not set(make(1)) & set(make(2))
