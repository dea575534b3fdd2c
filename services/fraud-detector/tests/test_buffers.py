"""Buffers between the pipeline's tasks: coalescing, limits and waiting; offsets that trail what is finished."""

import asyncio
from datetime import UTC, datetime

import orjson
import pytest

from decision_engine.ruleset import load_ruleset
from fraud_detector.stream.batch import Batch
from fraud_detector.stream.buffers import BatchBuffer, OffsetTracker
from fraud_detector.stream.order_evaluator import OrderEvaluator
from order_contract.decision import OrderRow
from order_contract.decoding.decoder import EventDecoder
from simulation.fakes import FakeMessage
from tests.support.plain_order import plain_order


def batch(*offsets: int, value_bytes: int = 0) -> Batch:
    evaluator = OrderEvaluator(EventDecoder(), load_ruleset())
    made = Batch(next_offsets={0: offsets[-1] + 1}, value_bytes=value_bytes)
    for offset in offsets:
        message = FakeMessage(0, offset, orjson.dumps(plain_order(f"o{offset}")))
        row = evaluator.evaluate(message, datetime(2026, 11, 22, tzinfo=UTC))
        assert isinstance(row, OrderRow)
        made.orders.append((row, message))
    return made


def offsets_of(batch: Batch) -> list[int]:
    return [message.offset for _, message in batch.orders]


async def test_everything_that_waits_is_taken_at_once_and_in_order() -> None:
    buffer = BatchBuffer(max_messages=100, max_bytes=100)
    taking = asyncio.create_task(buffer.take())
    await asyncio.sleep(0)
    assert not taking.done()
    for number in (0, 1, 2):
        buffer.add(batch(number))
    taken = await taking
    assert [offsets_of(each) for each in taken] == [[0], [1], [2]]
    assert not buffer


@pytest.mark.parametrize("waiting", [batch(0, 1, 2), batch(0, value_bytes=10)])
async def test_a_full_buffer_makes_the_stage_before_wait_until_it_is_taken(waiting: Batch) -> None:
    buffer = BatchBuffer(max_messages=3, max_bytes=10)
    await buffer.room()
    buffer.add(waiting)
    assert buffer.full
    room = asyncio.create_task(buffer.room())
    await asyncio.sleep(0)
    assert not room.done()
    await buffer.take()
    await room
    assert not buffer.full


async def test_what_is_discarded_is_not_taken() -> None:
    buffer = BatchBuffer(max_messages=1, max_bytes=1)
    buffer.add(batch(0, value_bytes=5))
    buffer.discard()
    assert not buffer
    assert not buffer.full
    buffer.add(batch(1))
    assert [offsets_of(each) for each in await buffer.take()] == [[1]]


def test_a_batch_is_extended_by_what_was_decided_after_it() -> None:
    first = batch(0, 1, value_bytes=5)
    first.extend(batch(2, value_bytes=6))
    assert offsets_of(first) == [0, 1, 2]
    assert (len(first), first.value_bytes, first.next_offsets) == (3, 11, {0: 3})


async def test_offsets_are_to_be_committed_once() -> None:
    offsets = OffsetTracker()
    offsets.advance({0: 5, 1: 7})
    await offsets.wait()
    assert offsets.uncommitted() == {0: 5, 1: 7}
    offsets.mark_committed({0: 5, 1: 7})
    assert offsets.uncommitted() == {}
    offsets.advance({0: 6})
    assert offsets.uncommitted() == {0: 6}


async def test_offsets_whose_commit_failed_are_to_be_committed_again() -> None:
    offsets = OffsetTracker()
    offsets.advance({0: 5})
    assert offsets.uncommitted() == {0: 5}
    waiting = asyncio.create_task(offsets.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    offsets.mark_dirty()
    await waiting
    assert offsets.uncommitted() == {0: 5}


def test_offsets_of_partitions_that_were_revoked_are_forgotten() -> None:
    offsets = OffsetTracker()
    offsets.advance({0: 5})
    offsets.mark_committed({0: 5})
    offsets.reset()
    assert offsets.uncommitted() == {}
    offsets.advance({0: 5})
    assert offsets.uncommitted() == {0: 5}
