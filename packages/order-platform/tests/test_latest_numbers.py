"""Sets of numbers by compiled code do what Python's do."""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

import pytest

from order_platform.latest_numbers import PlainLatestNumbers

compact_numbers = pytest.importorskip("order_platform.compact_numbers", reason="there was no C compiler")

LEAST: Final = -(2**63)
GREATEST: Final = 2**63 - 1


def spread(chance: random.Random) -> int:
    return chance.choice([0, LEAST, GREATEST, chance.randint(LEAST, GREATEST)])


def crowded(chance: random.Random) -> int:
    """Few places for many numbers, around the end of the places: low bits agree."""
    return chance.randrange(1 << 12) * (1 << 40) + chance.choice([0, 1, 1022, 1023])


def few(chance: random.Random) -> int:
    return chance.randrange(-300, 300)


@pytest.mark.parametrize("number", [spread, crowded, few])
def test_it_has_what_a_set_of_python_has(number: Callable[[random.Random], int]) -> None:
    chance = random.Random(1)
    compact, expected = compact_numbers.NumberSet(), set[int]()
    recent = deque[int](maxlen=100)
    for _ in range(6_000):
        added = number(chance)
        compact.add(added)
        expected.add(added)
        recent.append(added)
        removed = chance.choice([number(chance), recent[0], recent[-1], recent[len(recent) // 2]])
        compact.discard(removed)
        expected.discard(removed)
        asked = number(chance)
        assert (asked in compact) == (asked in expected)
        assert len(compact) == len(expected)
    assert all(each in compact for each in expected)
    for each in list(expected):
        compact.discard(each)
    assert len(compact) == 0
    assert not any(each in compact for each in expected)


@pytest.mark.parametrize("number", [spread, crowded, few])
@pytest.mark.parametrize("most", [2, 40, 2_000])
def test_the_latest_numbers_are_those_of_python(number: Callable[[random.Random], int], most: int) -> None:
    chance = random.Random(2)
    compact, plain = compact_numbers.LatestNumbers(most), PlainLatestNumbers(most)
    recent = deque[int](maxlen=100)
    for _ in range(6_000):
        asked = chance.choice([number(chance), *recent])
        recent.append(asked)
        action = chance.choice(["add", "add_new", "add_new", "add_new", "discard"])
        answers = [getattr(each, action)(asked) for each in (compact, plain)]
        if action == "add_new":
            assert answers[0] is answers[1]


def test_a_number_of_more_than_64_bits_is_refused() -> None:
    compact = compact_numbers.NumberSet()
    with pytest.raises(OverflowError):
        compact.add(GREATEST + 1)
    assert len(compact) == 0
