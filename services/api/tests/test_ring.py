"""The ring of the newest decisions: nothing twice, nothing left out, whatever a listener has had already."""

import asyncio
import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from order_api.decisions.filters import EVERYTHING, DecisionFilter
from order_api.decisions.ring_buffer import SEGMENT_BYTES, SEGMENT_MESSAGES, EncodedSegment, RingBuffer, encode_segment
from order_api.decisions.schemas import Position, read_id
from order_api.decisions.topic_reader import DecisionMessage

PARTITIONS = 3


def messages(partitions: list[int]) -> list[DecisionMessage]:
    """Messages that arrive in this order of partitions."""
    counters = [itertools.count() for _ in range(PARTITIONS)]
    return [
        DecisionMessage(part, (offset := next(counters[part])), b'{"n":"%d/%d"}' % (part, offset))
        for part in partitions
    ]


def filled(arrivals: list[int], poll: int = 5) -> RingBuffer:
    ring = RingBuffer()
    ring.begin((0,) * PARTITIONS, (0,) * PARTITIONS)
    everything = messages(arrivals)
    for begin in range(0, len(everything), poll):
        ring.append(everything[begin : begin + poll])
    return ring


def read_out(ring: RingBuffer, position: Position) -> EncodedSegment:
    """All that a listener at `position` gets."""
    got, number = b"", ring.find(position)
    while (segment := ring.get(number)) is not None:
        events, position = segment.encode(position, EVERYTHING)
        got += events
        number += 1
    return EncodedSegment(got, position)


def names(events: bytes) -> list[str]:
    return re.findall(r'data: {"n":"(.*)"}', events.decode())


def ids(events: bytes) -> list[dict[int, int]]:
    return [read_id(text) for text in re.findall(r"id: (.*)", events.decode())]


arrivals = st.lists(st.integers(0, PARTITIONS - 1), max_size=40)


@given(arrivals, st.data())
def test_a_listener_from_anywhere_gets_exactly_what_it_has_not_had(order: list[int], data: st.DataObject) -> None:
    ring = filled(order)
    counts = [order.count(part) for part in range(PARTITIONS)]
    position = tuple(data.draw(st.integers(0, count)) for count in counts)
    got = read_out(ring, position)
    assert got.position == ring.head == tuple(counts)
    expected = [f"{m.partition}/{m.offset}" for m in messages(order) if m.offset >= position[m.partition]]
    assert names(got.events) == expected


@given(arrivals, st.data())
def test_resuming_from_any_id_misses_nothing(order: list[int], data: st.DataObject) -> None:
    ring = filled(order)
    counts = [order.count(part) for part in range(PARTITIONS)]
    start = tuple(data.draw(st.integers(0, count)) for count in counts)
    first = read_out(ring, start).events
    for had, last_id in enumerate(ids(first), 1):
        again = read_out(ring, tuple(last_id[part] for part in range(PARTITIONS))).events
        assert names(first)[:had] + names(again) == names(first)


def test_those_who_want_the_same_share_what_is_sent() -> None:
    ring = filled([0, 1, 2, 0])
    segment = ring.get(ring.oldest)
    assert segment is not None
    one, other = (segment.encode(segment.start, DecisionFilter(flagged=True)) for _ in range(2))
    assert one is other
    assert segment.encode(segment.start, EVERYTHING).events != one.events == b""


def test_the_oldest_are_dropped_and_their_readers_notice() -> None:
    ring = RingBuffer(capacity=20_000)
    ring.begin((0,) * PARTITIONS, (0,) * PARTITIONS)
    number = ring.find((0,) * PARTITIONS)
    for message in messages([0] * 100):
        ring.append([message])
    assert number < ring.oldest
    assert not ring.covers((0, 0, 0))
    assert ring.start is not None
    assert 0 < ring.start[0] < 100 == ring.head[0]
    assert len(names(read_out(ring, ring.start).events)) == 100 - ring.start[0]


def test_what_is_sent_at_once_is_small() -> None:
    ring = RingBuffer()
    ring.begin((0,), (0,))
    ring.append([DecisionMessage(0, offset, b"x" * 1000) for offset in range(500)])
    number = ring.oldest
    sizes = []
    while (segment := ring.get(number)) is not None:
        sizes.append((len(segment.messages), sum(len(message.value) for message in segment.messages)))
        number += 1
    assert sum(count for count, _ in sizes) == 500
    assert all(count <= SEGMENT_MESSAGES and size <= SEGMENT_BYTES for count, size in sizes)


def test_a_value_of_several_lines_stays_one_event() -> None:
    got = encode_segment([DecisionMessage(0, 6, b'{"a":\r\n1}')], (6,), EVERYTHING)
    assert got == EncodedSegment(b'id: 0:7\nevent: decision\ndata: {"a":\ndata: 1}\n\n', (7,))


async def test_a_change_wakes_all_that_wait() -> None:
    ring = RingBuffer()
    waiting = asyncio.create_task(ring.wait_for_change())
    await asyncio.sleep(0)
    ring.begin((0,), (3,))
    await asyncio.wait_for(waiting, 5)
    assert (ring.start, ring.head, ring.now) == ((0,), (0,), (3,))
    waiting = asyncio.create_task(ring.wait_for_change())
    await asyncio.sleep(0)
    assert not waiting.done()
    ring.append([DecisionMessage(0, 0, b"{}")])
    await asyncio.wait_for(waiting, 5)
