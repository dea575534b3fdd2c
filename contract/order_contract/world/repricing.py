"""Which product gets a new price when: every product once in each round, in an order shuffled anew."""

from math import gcd
from typing import NamedTuple

from order_contract.world.dice import Dice


class Round(NamedTuple):
    """A run of changes, numbered from `start` to before `start + size`, that meets products 0 to `size - 1` once each.

    Change `start + i` is that of product `(factor * i + shift) % size`; `inverse` undoes the factor.
    """

    start: int
    size: int
    factor: int
    shift: int
    inverse: int


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
        number = 0
        while change >= (round_ := self._round(number)).start + round_.size:
            number += 1
        return (round_.factor * (change - round_.start) + round_.shift) % round_.size

    def of_product(self, product: int, made: int) -> ProductChanges:
        """What the first `made` changes, and those to come, mean for a product."""
        own, last, number = 0, None, 0
        while True:
            start, size, _, shift, inverse = self._round(number)
            number += 1
            if product >= size:  # not there yet when the round began
                continue
            change = start + inverse * (product - shift) % size
            if change >= made:
                return ProductChanges(own, last, change)
            own, last = own + 1, change

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
