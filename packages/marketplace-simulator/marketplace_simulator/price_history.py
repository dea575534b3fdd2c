"""Which product gets a new price when: every product once in each round, in an order shuffled anew."""

from bisect import bisect_right
from math import gcd
from operator import attrgetter
from typing import NamedTuple

from marketplace_simulator.seeded_random import Dice


class Round(NamedTuple):
    """A run of changes, numbered from `start` to before `start + size`, that meets products 0 to `size - 1` once each.

    Change `start + i` is that of product `(factor * i + shift) % size`; `inverse` undoes the factor.
    """

    start: int
    size: int
    factor: int
    shift: int
    inverse: int


_START, _SIZE = attrgetter("start"), attrgetter("size")


class ProductChanges(NamedTuple):
    """Of one product: how many changes were made so far, the last of them (None: none yet), and the next one."""

    made: int
    last: int | None
    next: int


class Repricing:
    """Price changes of a growing range of products, numbered in order of time.

    Products are met by arithmetic instead of a list, so that what happened to one product in years is found in a
    few steps: rounds grow with the range, so there are only about thirty in two years.
    """

    def __init__(self, seed: int, *, initial: int, changes_per_new_product: int) -> None:
        self._seed = seed
        self._initial = initial
        self._changes_per_new_product = changes_per_new_product
        self._rounds: list[Round] = []

    def product(self, change: int) -> int:
        """Whose price this change is about."""
        round_ = self._rounds[self._round_of(change)]
        return (round_.factor * (change - round_.start) + round_.shift) % round_.size

    def of_product(self, product: int, made: int) -> ProductChanges:
        """What the first `made` changes, and those to come, mean for a product."""
        first = self._first_round_of(product)
        number = max(first, self._round_of(made))
        if self._change(number, product) < made:
            number += 1
        last = self._change(number - 1, product) if number > first else None
        return ProductChanges(number - first, last, self._change(number, product))

    def _change(self, number: int, product: int) -> int:
        """The change of a product in a round that is large enough for it."""
        start, size, _, shift, inverse = self._round(number)
        return start + inverse * (product - shift) % size

    def _round_of(self, change: int) -> int:
        """The number of the round that a change is in."""
        while not self._rounds or self._rounds[-1].start + self._rounds[-1].size <= change:
            self._rounds.append(self._make_round())
        return bisect_right(self._rounds, change, key=_START) - 1

    def _first_round_of(self, product: int) -> int:
        """The number of the first round that is large enough for a product: it was not there yet in those before."""
        while not self._rounds or self._rounds[-1].size <= product:
            self._rounds.append(self._make_round())
        return bisect_right(self._rounds, product, key=_SIZE)

    def _round(self, number: int) -> Round:
        while number >= len(self._rounds):
            self._rounds.append(self._make_round())
        return self._rounds[number]

    def _make_round(self) -> Round:
        start = self._rounds[-1].start + self._rounds[-1].size if self._rounds else 0
        # Only products that are surely there when the round begins.
        size = self._initial + start // self._changes_per_new_product
        dice = Dice(self._seed, "round", len(self._rounds))
        factor = dice.between(1, size - 1)
        while gcd(factor, size) != 1:
            factor = dice.between(1, size - 1)
        return Round(start, size, factor, dice.below(size), pow(factor, -1, size))
