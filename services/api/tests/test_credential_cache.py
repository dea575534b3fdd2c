"""Remembering whose key it is: cheap, but never for long."""

import asyncio

import pytest

from order_api.auth.credential_cache import CACHE_SECONDS, CredentialCache, Principal
from order_api.auth.keys import Role, hash_key

KEY = f"ow_{'0' * 12}_{'a' * 64}"


class Keys:
    """The table, and how often it was asked."""

    def __init__(self, *keys: str) -> None:
        self.valid = {hash_key(key): Principal(key[3:15], "shop", Role.READ) for key in keys}
        self.asked = 0

    async def find(self, key_hash: bytes) -> Principal | None:
        self.asked += 1
        await asyncio.sleep(0)
        return self.valid.get(key_hash)


class Clock:
    """Time that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_key_is_asked_for_once_in_a_while() -> None:
    keys, clock = Keys(KEY), Clock()
    cache = CredentialCache(keys.find, clock)
    for _ in range(100):
        assert await cache.find_principal(KEY) == Principal("0" * 12, "shop", Role.READ)
    assert keys.asked == 1
    clock.now += CACHE_SECONDS
    await cache.find_principal(KEY)
    assert keys.asked == 2


async def test_requests_at_the_same_time_share_one_query() -> None:
    keys = Keys(KEY)
    cache = CredentialCache(keys.find)
    principals = await asyncio.gather(*(cache.find_principal(KEY) for _ in range(100)))
    assert set(principals) == {Principal("0" * 12, "shop", Role.READ)}
    assert keys.asked == 1


async def test_a_revoked_key_is_refused_within_five_seconds() -> None:
    keys, clock = Keys(KEY), Clock()
    cache = CredentialCache(keys.find, clock)
    await cache.find_principal(KEY)
    keys.valid.clear()
    clock.now += 5
    assert await cache.find_principal(KEY) is None


@pytest.mark.parametrize("end", ["forget", "forget_key", "forget_all"])
@pytest.mark.parametrize("steps", range(6))
async def test_an_end_is_final_whatever_runs_beside_it(end: str, steps: int) -> None:
    """A look-up that began before the end is not remembered, nor joined by requests that come after it."""
    keys = Keys(KEY)
    cache = CredentialCache(keys.find)
    before = asyncio.create_task(cache.find_principal(KEY))
    for _ in range(steps):
        await asyncio.sleep(0)
    keys.valid.clear()
    if end == "forget":
        cache.forget(hash_key(KEY))
    elif end == "forget_key":
        cache.forget_key("0" * 12)
    else:
        cache.forget_all()
    assert await cache.find_principal(KEY) is None
    await before
    assert await cache.find_principal(KEY) is None


async def test_the_end_of_a_key_leaves_others_remembered() -> None:
    other = f"ow_{'1' * 12}_{'a' * 64}"
    keys = Keys(KEY, other)
    cache = CredentialCache(keys.find)
    await cache.find_principal(KEY)
    await cache.find_principal(other)
    cache.forget_key("0" * 12)
    assert await cache.find_principal(other) is not None
    assert keys.asked == 2


async def test_a_new_key_works_at_once() -> None:
    keys, clock = Keys(), Clock()
    cache = CredentialCache(keys.find, clock)
    assert await cache.find_principal(KEY) is None
    keys.valid[hash_key(KEY)] = Principal("new", "shop", Role.ADMIN)
    assert await cache.find_principal(KEY) == Principal("new", "shop", Role.ADMIN)


@pytest.mark.parametrize("text", ["", "ow_", KEY + "a", KEY.upper(), "ow_\0", "é" * 80])
async def test_malformed_keys_are_not_looked_up(text: str) -> None:
    keys = Keys()
    assert await CredentialCache(keys.find).find_principal(text) is None
    assert keys.asked == 0


async def test_memory_is_bounded() -> None:
    many = [f"ow_{number:012x}_{'a' * 64}" for number in range(10)]
    keys = Keys(*many)
    cache = CredentialCache(keys.find, max_entries=3)
    for key in many:
        await cache.find_principal(key)
    assert [key for key in many if cache.has(key)] == many[-3:]


def test_roles_include_the_ones_before_them() -> None:
    assert [[held.includes(needed) for needed in Role] for held in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]
