"""Seen offsets: encoded in few bytes, and decoded alike by Python and by Postgres."""

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_contract.seen import SeenLabels, decode_seen, decode_seen_labels, encode_seen, encode_seen_labels

offsets = st.dictionaries(st.integers(0, 5), st.integers(0, 2**50), max_size=6)


def dense(numbers: dict[int, int]) -> list[int]:
    return [numbers.get(partition, 0) for partition in range(max(numbers, default=-1) + 1)]


@given(
    orders=offsets, own=st.integers(0, 6), own_offset=st.integers(0, 2**50), labels=offsets, epoch=st.integers(1, 300)
)
def test_what_was_encoded_is_decoded(
    orders: dict[int, int], own: int, own_offset: int, labels: dict[int, int], epoch: int
) -> None:
    without = encode_seen(orders, own)
    encoded = without + encode_seen_labels(labels, epoch)
    expected = dense(orders | {own: own_offset})
    assert decode_seen(encoded, own, own_offset) == decode_seen(without, own, own_offset) == expected
    assert decode_seen_labels(without) is None
    nothing = epoch == 1 and not any(labels.values())
    assert decode_seen_labels(encoded) == (None if nothing else SeenLabels(epoch, dense(labels)))


def test_labels_cost_nothing_until_there_are_any() -> None:
    assert encode_seen({0: 5, 1: 300}, 0) == b"\x00\xac\x02"
    assert encode_seen_labels({0: 0, 1: 0}, 1) == b""
    assert encode_seen_labels({1: 3}, 1) == b"\x80\x00\x01\x00\x03"


@pytest.mark.integration
async def test_postgres_decodes_the_same(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    for orders in ({}, {0: 5, 1: 300, 2: 2**40}, {2: 128}):
        for labels, epoch in (({}, 1), ({0: 0, 1: 7}, 1), ({3: 2**40}, 200), ({}, 2)):
            encoded = encode_seen(orders, 1) + encode_seen_labels(labels, epoch)
            seen = await connection.fetchval("select seen_offsets($1, 1, 9)", encoded)
            assert seen == decode_seen(encoded, 1, 9)
            found = await connection.fetchrow("select * from seen_labels($1)", encoded)
            expected = decode_seen_labels(encoded)
            assert tuple(found or ()) == (expected or (None, None))
    await connection.close()
