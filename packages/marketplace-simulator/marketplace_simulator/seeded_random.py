"""Seeded random numbers: the same name gives the same draws, in every process and every Python version."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import accumulate
from struct import Struct
from typing import Generic, TypeVar

T = TypeVar("T")

_WORDS = Struct("<8Q")
_PRECISION = 2.0**-53  # a float holds 53 bits


class SeededRandom:
    """A sequence of random draws, named by its purpose: `SeededRandom(seed, "user", 17)`.

    Draws are hashes of the name and a count: a fifth of what seeding a `random.Random` costs, and most names are good
    for a few draws only. Nor does it change with Python, of which the producer and Airflow may have different ones.
    """

    __slots__ = ("_blocks", "_name", "_numbers")

    def __init__(self, *name: object) -> None:
        self._name = ":".join(map(str, name)).encode()
        self._blocks = 0
        self._numbers: list[int] = []

    def fraction(self) -> float:
        """A number in [0, 1)."""
        if not self._numbers:
            self._numbers.extend(_WORDS.unpack(blake2b(b"%d:%b" % (self._blocks, self._name)).digest()))
            self._blocks += 1
        return (self._numbers.pop() >> 11) * _PRECISION

    def below(self, end: int) -> int:
        """An integer from 0 to `end` - 1."""
        return int(self.fraction() * end)

    def between(self, first: int, last: int) -> int:
        """An integer from `first` to `last`, both included."""
        return first + int(self.fraction() * (last - first + 1))

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices, each as likely as the others."""
        return choices[int(self.fraction() * len(choices))]

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return self.fraction() < probability


class WeightedChoice(Generic[T]):
    """Choices with different probabilities, given as weights."""

    def __init__(self, weights: Mapping[T, float]) -> None:
        self._choices = tuple(weights)
        self._bounds = tuple(accumulate(weights.values()))

    def draw(self, random: SeededRandom) -> T:
        """One of the choices, as likely as its share of all weights."""
        return self._choices[bisect_right(self._bounds, random.fraction() * self._bounds[-1])]
