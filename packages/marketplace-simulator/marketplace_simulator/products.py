"""The marketplace's products: what they are called and cost, made up from the seed and their number."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from marketplace_simulator.seeded_random import Dice


class Category(StrEnum):
    """What is sold."""

    ELECTRONICS = "Electronics"
    OFFICE_TOOLS = "Office Tools"
    BOOKS = "Non-Fiction Books"


@dataclass(frozen=True, slots=True)
class Product:
    """One product as it stands from `updated_at` until before `valid_until`, in business time.

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


class Label(NamedTuple):
    """What never changes about a product."""

    product_id: str
    product_name: str
    category: Category
    first_price: int


def product_id(index: int) -> str:
    """The id of product `index`, counted from 0."""
    return f"P{index + 1:05d}"


def category_of(seed: int, index: int) -> Category:
    """The category of product `index`: cheaper to know than the whole product."""
    return Dice(seed, "category", index).pick(tuple(Category))


def make_label(seed: int, index: int) -> Label:
    """Product `index` of the world `seed`, but for what changes with time."""
    category = category_of(seed, index)
    dice = Dice(seed, "product", index)
    match category:
        case Category.ELECTRONICS:
            name = f"{dice.pick(_BRANDS)} {dice.pick(_MODELS)} {dice.between(2, 99)} {dice.pick(_DEVICES)}"
        case Category.OFFICE_TOOLS:
            name = f"{dice.pick(_OFFICE_BRANDS)} {dice.pick(_ATTRIBUTES)} {dice.pick(_OFFICE_ITEMS)}"
        case Category.BOOKS:
            name = f"{dice.pick(_TOPICS)} {dice.pick(_SUFFIXES)} by {dice.pick(_PUBLISHERS)}"
    range_ = PRICES[category]
    low, high = range_.low / (1 - MOST_CHANGE), range_.high / (1 + MOST_CHANGE)
    # Cheap things are many: the product of two draws leans to the low end.
    first_price = low + (high - low) * dice.fraction() * dice.fraction()
    return Label(product_id(index), name, category, _to_step(first_price, range_.step))


def price(seed: int, index: int, label: Label, version: int) -> int:
    """Whole rupiah at this version: in turns above and below the first price, so never the same twice running."""
    if version == 0:
        return label.first_price
    change = LEAST_CHANGE + (MOST_CHANGE - LEAST_CHANGE) * Dice(seed, "price", index, version).fraction()
    return _to_step(label.first_price * (1 + change if version % 2 else 1 - change), PRICES[label.category].step)


def _to_step(amount: float, step: int) -> int:
    """The multiple of `step` next to the amount."""
    return int(amount / step + 0.5) * step
