"""Asking the warehouse through the batch side's command: what it says when that is not possible."""

import asyncio
import random
from pathlib import Path

import pytest

from order_platform.command_line.errors import ExitCode
from order_platform.kafka.topic_reader import Missing
from order_platform.settings import KafkaSettings
from orderwatch import warehouse_reader
from orderwatch.warehouse_reader import WarehouseNotAskedError, read_warehouse
from tests.integration.test_seed_lines import line, seed_order
from tests.support.command import Orderwatch

from .test_explain_command import decide, publish

FAILS = """#!/bin/sh
cat > /dev/null
echo '{"event": "waiting_for_the_warehouse"}' >&2
echo '/data/warehouse.duckdb is open in process 42 (python)' >&2
exit 3
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What is called as the batch side's command; it is not there yet."""
    path = tmp_path / "order-batch"
    monkeypatch.setattr(warehouse_reader, "batch_command", lambda: path)
    return path


def _make(program: Path, text: str, mode: int = 0o755) -> None:
    program.write_text(text)
    program.chmod(mode)


def test_a_batch_side_that_is_not_installed(program: Path) -> None:
    with pytest.raises(WarehouseNotAskedError, match=f"could not be asked: {program} is missing") as caught:
        read_warehouse(["o1"])
    assert "make marts" in caught.value.advice
    assert caught.value.exit_code == ExitCode.UNAVAILABLE


def test_what_the_command_says_is_said_without_its_log(program: Path) -> None:
    _make(program, FAILS)
    with pytest.raises(WarehouseNotAskedError) as caught:
        read_warehouse(["o1"])
    assert str(caught.value) == (
        "the warehouse could not be asked: /data/warehouse.duckdb is open in process 42 (python)"
    )


def test_a_program_that_cannot_be_run(program: Path) -> None:
    _make(program, FAILS, mode=0o644)
    with pytest.raises(WarehouseNotAskedError, match="Permission denied"):
        read_warehouse(["o1"])


def test_an_order_that_the_batch_side_does_not_know(program: Path) -> None:
    _make(program, "#!/bin/sh\ncat > /dev/null\n")
    assert read_warehouse(["o1"]) == {"o1": Missing("the batch side does not know it")}


@pytest.mark.integration
async def test_explain_shows_all_else_and_then_that_the_warehouse_could_not_be_asked(
    orderwatch: Orderwatch, elsewhere: KafkaSettings, database_url: str, tmp_path: Path, program: Path
) -> None:
    order = seed_order(random.Random(1))
    await publish(elsewhere, [(b"U1", line(order))])
    await decide(elsewhere, database_url, tmp_path / "detector.log")
    _make(program, FAILS)
    for arguments in ((order["order_id"],), ("--sample", "5")):
        result = await asyncio.to_thread(orderwatch, "explain", *arguments, "--warehouse")
        assert isinstance(result.exception, WarehouseNotAskedError)
        assert "process 42" in str(result.exception)
        assert "consistent" in result.stdout
