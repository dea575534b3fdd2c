"""Customers: users of the world with what they order from, and who of them comes next."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from marketplace_simulator import User, World
from marketplace_simulator.seeded_random import Dice

# Networks that addresses are made up in, by country.
NETWORKS = {
    "ID": ("36.68", "36.80", "114.122", "118.96", "125.160", "139.192", "180.244", "182.0"),
    "SG": ("175.156", "219.74"),
    "MY": ("60.48", "175.136"),
    "US": ("73.15", "98.97"),
    "JP": ("126.72", "153.129"),
    "AU": ("101.160", "120.16"),
    "CN": ("112.64", "223.104"),
    "NG": ("102.89", "105.112"),
    "RU": ("95.24", "178.176"),
    "VN": ("14.160", "113.160"),
}
HOME = "ID"

# How many of the first ones share the top of the ranking about equally.
_REGULARS = 200
_NEWCOMERS_SHARE = 0.15
_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Customer:
    """A user with their devices, the one used most first, and the address at home."""

    user: User
    devices: tuple[str, ...]
    ip_address: str


class Customers:
    """Chooses who orders: few order often and most seldom, newcomers a little more."""

    def __init__(self, world: World, dice: Dice) -> None:
        self._world = world
        self._dice = dice
        self._customer = lru_cache(_KEPT)(self._make)

    def anyone(self, moment: datetime) -> Customer:
        """The next customer among those registered at `moment`."""
        count = self._world.users(moment)
        if self._dice.chance(_NEWCOMERS_SHARE):
            return self._customer(self._dice.between(count * 9 // 10, count - 1))
        return self._customer(zipf(self._dice, count, _REGULARS))

    def newcomer(self, moment: datetime, among: int) -> Customer:
        """One of the last `among` who registered."""
        count = self._world.users(moment)
        return self._customer(self._dice.between(max(count - among, 0), count - 1))

    def _make(self, index: int) -> Customer:
        dice = Dice(self._world.seed, "habits", index)
        devices = tuple(device_id(dice) for _ in range(1 + dice.chance(0.4)))
        return Customer(self._world.user(index), devices, ip_address(dice, HOME))


def zipf(dice: Dice, count: int, head: int) -> int:
    """A number below `count`, n as likely as 1 / (n + head): Zipf's law with a top of about `head` equals."""
    return min(int(head * (1 + count / head) ** dice.fraction()) - head, count - 1)


def device_id(dice: Dice) -> str:
    """A device as its fingerprint: 12 hex digits."""
    return f"dev-{dice.below(1 << 48):012x}"


def ip_address(dice: Dice, country: str) -> str:
    """An IPv4 address in one of the country's networks."""
    return f"{dice.pick(NETWORKS[country])}.{dice.below(256)}.{dice.between(1, 254)}"
