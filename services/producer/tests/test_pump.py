"""The pump: every message is handed over in order, and after a stop, an error or the end each has an outcome."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Self

import pytest

from marketplace_simulator.orders import OrderMessage
from order_producer.app import iterate
from order_producer.publish.pump import LabelFile, pump_until
from order_producer.publish.sink import Counts, FileSink
from tests.support.waiting import until

SHORT = 0.05


class FakeSink:
    """A Sink that acknowledges on demand."""

    def __init__(self, room: int = 10**9, *, acknowledging: bool = True) -> None:
        self.counts = Counts()
        self.taken: list[OrderMessage] = []
        self.given_up: list[str] = []
        self.broken: Exception | None = None
        self._room = room
        self._acknowledging = acknowledging

    async def put(self, message: OrderMessage) -> None:
        if self.broken is not None:
            raise self.broken
        if len(self.taken) >= self._room:
            await asyncio.Event().wait()
        self.taken.append(message)
        self.counts.sent += 1
        if self._acknowledging:
            self.counts.acknowledged += 1

    async def flush(self) -> None:
        if self.broken is not None:
            raise self.broken
        if self.counts.waiting:
            await asyncio.Event().wait()

    def give_up(self, reason: str) -> None:
        if self.counts.waiting:
            self.given_up.append(reason)
            self.counts.failed += self.counts.waiting


class FakeReport:
    every = SHORT / 5

    def __init__(self) -> None:
        self.updates = 0
        self.finished: Counts | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass

    def update(self, counts: Counts) -> None:
        assert counts.sent >= 0
        self.updates += 1

    def finish(self, counts: Counts) -> None:
        self.finished = counts


def messages(count: int) -> list[OrderMessage]:
    return [OrderMessage(None, b"%d" % number, f"m{number}", "odd" if number % 2 else None) for number in range(count)]


async def run(
    source: AsyncIterator[OrderMessage],
    sink: FakeSink,
    *,
    stop: asyncio.Event | None = None,
    labels: Path | None = None,
    report: FakeReport | None = None,
) -> FakeReport:
    report = report or FakeReport()
    with LabelFile(labels) as label_file:
        await pump_until(stop or asyncio.Event(), source, sink, labels=[label_file], report=report, drain_seconds=SHORT)
    assert report.finished is sink.counts
    return report


async def test_all_messages_are_handed_over_in_order() -> None:
    sink = FakeSink()

    await run(iterate(messages(500)), sink)

    assert sink.taken == messages(500)
    assert (sink.counts.acknowledged, sink.counts.failed) == (500, 0)


async def test_the_labels_of_those_handed_over_are_written(tmp_path: Path) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(SHORT, stop.set)

    await run(iterate(messages(10)), FakeSink(room=6), stop=stop, labels=tmp_path / "labels")

    lines = [json.loads(line) for line in (tmp_path / "labels").read_text().splitlines()]
    assert lines == [{"order_id": f"m{number}", "pattern": "odd"} for number in (1, 3, 5)]


async def test_at_the_end_acknowledgements_are_waited_for_however_long_they_take() -> None:
    sink = FakeSink(acknowledging=False)
    stop, report = asyncio.Event(), FakeReport()
    running = asyncio.create_task(run(iterate(messages(3)), sink, stop=stop, report=report))

    await asyncio.sleep(3 * SHORT)
    await until(lambda: report.updates > 3, "the report to be updated")
    assert not running.done()
    stop.set()
    await running

    assert sink.given_up == [f"not acknowledged within {SHORT:g} s of stopping"]
    assert (sink.counts.sent, sink.counts.failed) == (3, 3)


async def test_a_stop_takes_no_more_messages_and_keeps_those_that_were_taken() -> None:
    stop = asyncio.Event()

    async def endless() -> AsyncIterator[OrderMessage]:
        for number in range(10**9):
            if number == 100:
                stop.set()
            yield messages(1)[0]

    sink = FakeSink()
    await run(endless(), sink, stop=stop)

    assert 100 <= sink.counts.sent < 300
    assert sink.counts.waiting == 0
    assert sink.given_up == []


async def test_a_stop_before_anything_was_taken_is_no_failure() -> None:
    stop = asyncio.Event()
    stop.set()
    sink = FakeSink(room=0)

    await run(iterate(messages(1)), sink, stop=stop)

    assert sink.counts == Counts(0, 0, 0)


async def test_what_breaks_the_sink_is_raised_after_all_is_counted() -> None:
    sink = FakeSink(acknowledging=False)

    async def breaking() -> AsyncIterator[OrderMessage]:
        yield messages(1)[0]
        sink.broken = RuntimeError("the topic is gone")
        yield messages(1)[0]

    with pytest.raises(RuntimeError, match="the topic is gone"):
        await run(breaking(), sink)

    assert sink.given_up == ["the topic is gone"]
    assert (sink.counts.sent, sink.counts.failed) == (1, 1)


async def test_what_breaks_the_source_is_raised_after_what_was_taken_has_arrived() -> None:
    sink = FakeSink()

    async def breaking() -> AsyncIterator[OrderMessage]:
        yield messages(1)[0]
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        await run(breaking(), sink)

    assert sink.counts == Counts(1, 1, 0)


async def test_a_file_gets_a_line_a_message(tmp_path: Path) -> None:
    with FileSink(tmp_path / "out") as sink:
        for message in messages(3):
            await sink.put(message)
        await sink.flush()
        assert (tmp_path / "out").read_bytes() == b"0\n1\n2\n"

    assert sink.counts == Counts(3, 3, 0)
