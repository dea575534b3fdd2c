"""A test under load that fails ends its load, and says what a detector that died said last."""

import asyncio
from pathlib import Path

import pytest

from order_platform.settings import KafkaSettings
from tests.faults.load import under
from tests.support.detector import DetectorProcess


class Recorded:
    """A load that does nothing, and records how it ended."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self.end = "none"

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        try:
            await self._stop.wait()
        except asyncio.CancelledError:
            self.end = "cancelled"
            raise
        self.end = "stopped"


async def test_loads_end_with_their_block() -> None:
    loads = [Recorded(), Recorded()]
    async with under(*loads):
        await asyncio.sleep(0)
        assert [load.end for load in loads] == ["none", "none"]
    assert [load.end for load in loads] == ["stopped", "stopped"]


async def test_loads_end_when_their_block_fails() -> None:
    load = Recorded()
    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="what was awaited")):
        async with under(load):
            await asyncio.sleep(0)
            raise AssertionError("what was awaited")
    assert load.end == "cancelled"


def test_a_detector_that_died_fails_with_its_log(tmp_path: Path) -> None:
    rules = tmp_path / "no-such-rules.yaml"
    with DetectorProcess(
        KafkaSettings(), "postgresql://127.0.0.1:1/none", tmp_path / "detector.log", ORDERWATCH_RULES=str(rules)
    ) as detector:
        assert detector.process.wait(timeout=60) != 0
        with pytest.raises(AssertionError, match="no-such-rules"):
            detector.require_running()
