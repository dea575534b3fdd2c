"""Reader of the warehouse's orders through the batch side's command, whose packages are in another environment."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from order_platform.command_line.errors import CommandError, ExitCode
from order_platform.kafka.topic_reader import Missing
from orderwatch.environment import ROOT, read_variables
from orderwatch.explain.evidence import WarehouseRow

_SECONDS = 120
_NOT_ASKED = "the warehouse could not be asked: {}"


class WarehouseNotAskedError(CommandError):
    """The warehouse could not be asked, so nothing was compared with it."""

    exit_code = ExitCode.UNAVAILABLE


def batch_command() -> Path:
    """The batch side's command, in its own environment."""
    return ROOT / "airflow" / ".venv" / "bin" / "order-batch"


def read_warehouse(order_ids: Sequence[str]) -> Mapping[str, WarehouseRow | Missing]:
    """What the warehouse holds of each of these orders. Raises WarehouseNotAskedError."""
    program = batch_command()
    if not program.exists():
        raise WarehouseNotAskedError(
            _NOT_ASKED.format(f"{program} is missing"), "`make marts` installs the batch side."
        )
    try:
        done = subprocess.run(  # noqa: S603  (of this checkout)
            [program, "orders", "--json"],
            input="".join(f"{order_id}\0" for order_id in order_ids).encode(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd=ROOT,
            env=dict(read_variables()),
        )
    except subprocess.TimeoutExpired as error:
        waiting = f": {_text(error.stderr)}" if error.stderr else ""
        raise WarehouseNotAskedError(_NOT_ASKED.format(f"no response within {_SECONDS} seconds{waiting}")) from None
    except OSError as error:
        raise WarehouseNotAskedError(_NOT_ASKED.format(f"{program}: {error.strerror}")) from error
    if done.returncode != 0:
        raise WarehouseNotAskedError(_NOT_ASKED.format(_text(done.stderr)))
    found = map(orjson.loads, done.stdout.splitlines())
    rows: Mapping[str, WarehouseRow | Missing] = {
        each["order_id"]: WarehouseRow(each["business_date"], each["loaded_at"], each["row"]) for each in found
    }
    return {order_id: rows.get(order_id, Missing("the batch side does not know it")) for order_id in order_ids}


def _text(output: bytes) -> str:
    """What a command wrote for people: its log, objects one per line, is for programs."""
    lines = output.decode(errors="replace").splitlines()
    return "\n".join(line for line in lines if not line.startswith("{")).strip()
