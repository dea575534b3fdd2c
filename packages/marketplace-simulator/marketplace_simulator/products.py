"""Products and their price history, derived from the seed and their number."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import gcd
from operator import attrgetter
from typing import NamedTuple

from marketplace_simulator.seeded_random import SeededRandom


class Category(StrEnum):
    """What is sold."""

    ELECTRONICS = "Electronics"
    OFFICE_TOOLS = "Office Tools"
    BOOKS = "Non-Fiction Books"


@dataclass(frozen=True, slots=True)
class Product:
    """One product as it is from `updated_at` until before `valid_until`, in business time.

    `version` is 0 for the product as it was introduced, and one more with each change of its price, in whole rupiah.
    """

    product_id: str
    product_name: str
    category: Category
    price: int
    version: int
    created_date: datetime
    updated_at: datetime
    valid_until: datetime


class PriceRange(NamedTuple):
    """Prices of a category, lowest and highest, in steps that shops write on labels."""

    low: int
    high: int
    step: int


PRICES = {
    Category.ELECTRONICS: PriceRange(500_000, 30_000_000, 1_000),
    Category.OFFICE_TOOLS: PriceRange(5_000, 150_000, 100),
    Category.BOOKS: PriceRange(45_000, 300_000, 500),
}
# A changed price keeps this far from the first one: at least, so that it is a change, and at most.
LEAST_CHANGE, MOST_CHANGE = 0.02, 0.15

_BRANDS = ("Samsung", "Xiaomi", "Oppo", "Vivo", "Realme", "Asus", "Acer", "Lenovo", "Polytron", "Sharp", "Advan", "LG")
_MODELS = ("Pro", "Ultra", "Lite", "Max", "Neo", "Prime", "Plus", "Air")
_DEVICES = (
    "Smartphone", "Laptop", "Tablet", "Smart TV", "Monitor", "Headset", "Kamera", "Smartwatch", "Printer",
    "Konsol Game",
)  # fmt: skip
_OFFICE_BRANDS = (
    "Joyko", "Kenko", "Faber-Castell", "Snowman", "Standard", "Pilot", "Bantex", "Sinar Dunia", "Deli", "Max",
)  # fmt: skip
_ATTRIBUTES = ("Premium", "Ekonomis", "Serbaguna", "Ergonomis", "Mini", "Jumbo", "Klasik", "Profesional")
_OFFICE_ITEMS = (
    "Stapler", "Pulpen", "Spidol", "Map Arsip", "Buku Catatan", "Gunting", "Penggaris", "Kertas A4", "Kalkulator",
    "Lem",
)  # fmt: skip
_TOPICS = (
    "Investasi", "Sejarah Nusantara", "Kepemimpinan", "Psikologi", "Data Science", "Wirausaha", "Memasak", "Parenting",
    "Filsafat", "Kesehatan",
)  # fmt: skip
_SUFFIXES = ("untuk Pemula", "Masa Kini", "Praktis", "dalam 30 Hari", "Tingkat Lanjut", "Seri Lengkap", "Sehari-hari")
_PUBLISHERS = ("Gramedia", "Mizan", "Erlangga", "Bentang Pustaka", "Elex Media", "Republika", "Andi Publisher")


class ProductIdentity(NamedTuple):
    """The attributes of a product that never change."""

    product_id: str
    product_name: str
    category: Category
    first_price: int


def product_id(index: int) -> str:
    """The id of product `index`, counted from 0."""
    return f"P{index + 1:05d}"


def category_of(seed: int, index: int) -> Category:
    """The category of product `index`: cheaper to know than the whole product."""
    return SeededRandom(seed, "category", index).pick(tuple(Category))


def make_identity(seed: int, index: int) -> ProductIdentity:
    """Product `index` of the world `seed`, but for what changes with time."""
    category = category_of(seed, index)
    random = SeededRandom(seed, "product", index)
    match category:
        case Category.ELECTRONICS:
            name = f"{random.pick(_BRANDS)} {random.pick(_MODELS)} {random.between(2, 99)} {random.pick(_DEVICES)}"
        case Category.OFFICE_TOOLS:
            name = f"{random.pick(_OFFICE_BRANDS)} {random.pick(_ATTRIBUTES)} {random.pick(_OFFICE_ITEMS)}"
        case Category.BOOKS:
            name = f"{random.pick(_TOPICS)} {random.pick(_SUFFIXES)} by {random.pick(_PUBLISHERS)}"
    range_ = PRICES[category]
    low, high = range_.low / (1 - MOST_CHANGE), range_.high / (1 + MOST_CHANGE)
    # Cheap things are many: the product of two draws leans to the low end.
    first_price = low + (high - low) * random.fraction() * random.fraction()
    return ProductIdentity(product_id(index), name, category, _to_step(first_price, range_.step))


def price(seed: int, index: int, identity: ProductIdentity, version: int) -> int:
    """Whole rupiah at this version: in turns above and below the first price, so never the same twice running."""
    if version == 0:
        return identity.first_price
    change = LEAST_CHANGE + (MOST_CHANGE - LEAST_CHANGE) * SeededRandom(seed, "price", index, version).fraction()
    return _to_step(identity.first_price * (1 + change if version % 2 else 1 - change), PRICES[identity.category].step)


def _to_step(amount: float, step: int) -> int:
    """The multiple of `step` next to the amount."""
    return int(amount / step + 0.5) * step


class PriceRound(NamedTuple):
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


class PriceHistory:
    """Price changes of a growing range of products, numbered in order of time.

    Products are met by arithmetic instead of a list, so that what happened to one product in years is found in a
    few steps: rounds grow with the range, so there are only about thirty in two years.
    """

    def __init__(self, seed: int, *, initial: int, changes_per_new_product: int) -> None:
        self._seed = seed
        self._initial = initial
        self._changes_per_new_product = changes_per_new_product
        self._rounds: list[PriceRound] = []

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

    def _round(self, number: int) -> PriceRound:
        while number >= len(self._rounds):
            self._rounds.append(self._make_round())
        return self._rounds[number]

    def _make_round(self) -> PriceRound:
        start = self._rounds[-1].start + self._rounds[-1].size if self._rounds else 0
        # Only products that are surely there when the round begins.
        size = self._initial + start // self._changes_per_new_product
        random = SeededRandom(self._seed, "round", len(self._rounds))
        factor = random.between(1, size - 1)
        while gcd(factor, size) != 1:
            factor = random.between(1, size - 1)
        return PriceRound(start, size, factor, random.below(size), pow(factor, -1, size))
