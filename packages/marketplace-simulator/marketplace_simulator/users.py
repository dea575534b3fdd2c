"""Users of the marketplace, derived from the seed and their number."""

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib import resources

from marketplace_simulator.seeded_random import SeededRandom, WeightedChoice


class EmailStyle(StrEnum):
    """Format of e-mail addresses; all users who register in the same hour share one."""

    FIRST_LAST = "first.last"
    FIRST_NUMBER = "first.number"
    LAST_INITIAL = "last_initial"


DOMAINS = ("gmail.com", "yahoo.com", "outlook.com")

# Roughly how Indonesia pays online; a user's habit is drawn from it.
PAYMENT_HABITS = WeightedChoice(
    {
        "GoPay": 16, "OVO": 10, "DANA": 13, "ShopeePay": 10, "LinkAja": 2, "QRIS": 6,
        "Bank Transfer": 12, "Virtual Account": 11, "Credit Card": 6, "Debit Card": 3,
        "PayLater": 4, "Kredivo": 2, "Akulaku": 1, "Cash on Delivery": 3, "Indomaret": 1, "Alfamart": 1,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SimulatedUser:
    """One registered user; `created_date` is when the account was opened, in business time."""

    user_id: str
    first_name: str
    last_name: str
    email: str
    default_payment: str
    city: str
    created_date: datetime


def user_id(index: int) -> str:
    """The id of user `index`, counted from 0."""
    return f"U{index + 1:06d}"


def make_user(seed: int, index: int, style: EmailStyle, created_date: datetime) -> SimulatedUser:
    """User `index` of the world `seed`."""
    random = SeededRandom(seed, "user", index)
    names = _names()
    sex = random.pick(("female", "male"))
    first, last = random.pick(names[f"first_names_{sex}"]), random.pick(names[f"last_names_{sex}"])
    match style:
        case EmailStyle.FIRST_LAST:
            mailbox = f"{first}.{last}"
        case EmailStyle.FIRST_NUMBER:
            mailbox = f"{first}.{random.between(1, 9)}"
        case EmailStyle.LAST_INITIAL:
            mailbox = f"{last}_{first[0]}"
    return SimulatedUser(
        user_id(index),
        first,
        last,
        f"{mailbox.lower()}@{random.pick(DOMAINS)}",
        PAYMENT_HABITS.draw(random),
        random.pick(names["cities"]),
        created_date,
    )


@cache
def _names() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(resources.files(__package__).joinpath("names.json").read_bytes())
    return found
