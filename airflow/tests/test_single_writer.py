"""Taking turns: one holds it, the others wait, and say so when it takes long."""

import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from order_batch.warehouse.single_writer import single_writer


@pytest.mark.parametrize(("worth_a_word", "told"), [(0.05, 1), (60, 0)])
def test_who_waits_long_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worth_a_word: float, told: int
) -> None:
    monkeypatch.setattr("order_batch.warehouse.single_writer.WORTH_A_WORD", worth_a_word)
    path = tmp_path / "warehouse.duckdb"
    order: list[str] = []

    def wait() -> None:
        with single_writer(path):
            order.append("the other")

    with capture_logs() as logs:
        with single_writer(path):
            waiting = threading.Thread(target=wait)
            waiting.start()
            time.sleep(0.5)
            order.append("the first")
        waiting.join()

    assert order == ["the first", "the other"]
    assert [(each["event"], each["path"]) for each in logs] == [("waiting_for_the_warehouse", str(path))] * told
