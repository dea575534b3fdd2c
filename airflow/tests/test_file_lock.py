"""The file lock: one process holds it, the others wait, and a long wait is logged."""

import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from order_batch.warehouse.file_lock import file_lock


@pytest.mark.parametrize(("warn_after", "warnings"), [(0.05, 1), (60, 0)])
def test_a_long_wait_is_logged_once(tmp_path: Path, warn_after: float, warnings: int) -> None:
    path = tmp_path / "warehouse.duckdb"
    order: list[str] = []

    def wait() -> None:
        with file_lock(path, warn_after):
            order.append("the other")

    with capture_logs() as logs:
        with file_lock(path):
            waiting = threading.Thread(target=wait)
            waiting.start()
            time.sleep(0.5)
            order.append("the first")
        waiting.join()

    assert order == ["the first", "the other"]
    assert [(each["event"], each["path"]) for each in logs] == [("waiting_for_the_warehouse", str(path))] * warnings
