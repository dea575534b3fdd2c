"""Snapshots of histories in a file: what a forked process writes, and what is read again."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from decision_engine.history.declaration import SECOND, Aggregate, HistoryFeature
from decision_engine.history.stream_features import StreamFeatures
from fraud_detector.history.snapshots import Snapshots, StoredHistories
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent
from tests.support.waiting import until

FEATURES = (HistoryFeature("orders", Aggregate.COUNT, ("user_id",), 3_600 * SECOND),)
NOW = datetime(2026, 11, 22, 3, 30, tzinfo=UTC)
EVERY = 0.05


def order(number: int) -> OrderEvent:
    return EventDecoder().decode(
        b'{"order_id":"o%d","user_id":"u","product_id":"p1","quantity":1,"amount":1,"payment_method":"OVO",'
        b'"country":"ID","created_date":"2026-11-22T10:00:00"}' % number,
        NOW,
    )


def histories(orders: int) -> StreamFeatures:
    history = StreamFeatures(FEATURES)
    for number in range(orders):
        history.add(order(number), 0, number)
    return history


def snapshots(folder: Path) -> Snapshots:
    return Snapshots(folder, topic="orders", epoch=1, every=EVERY)


async def test_a_forked_process_writes_what_is_stored_and_leaves_the_detector_as_it_is(tmp_path: Path) -> None:
    history = histories(3)

    def stored() -> StoredHistories:
        history.remove(order(2), 0, 2)
        return history, {0: 7}

    writing = asyncio.create_task(snapshots(tmp_path).write_regularly(stored))
    await until(lambda: snapshots(tmp_path).read(FEATURES) is not None, "a snapshot")
    writing.cancel()
    await asyncio.wait([writing])

    assert history.features(order(9))["orders"] == 3
    read = snapshots(tmp_path).read(FEATURES)
    assert read is not None
    again, positions = read
    assert positions == {0: 7}
    assert again.features(order(9))["orders"] == 2
    assert dict(again.next_offsets) == {0: 2}


async def test_a_snapshot_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.touch()
    writing = asyncio.create_task(snapshots(folder).write_regularly(lambda: (histories(1), {})))
    with capture_logs() as logs:
        await until(lambda: bool(logs), "a warning")
    writing.cancel()
    await asyncio.wait([writing])
    assert [entry["event"] for entry in logs] == ["snapshot_not_written"]
    assert "File exists" in logs[0]["problem"]


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_a_damaged_snapshot_is_passed_over(tmp_path: Path, damage: bytes) -> None:
    assert snapshots(tmp_path).read(FEATURES) is None
    snapshots(tmp_path).write(histories(3), {0: 7})
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(damage)
    assert snapshots(tmp_path).read(FEATURES) is None
