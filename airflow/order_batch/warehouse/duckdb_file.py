"""Opening a DuckDB file, which one process at a time may have open: waiting for that process, and naming it."""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import structlog

from order_batch.warehouse.port import WarehouseError, WarehouseUnavailableError

log = structlog.get_logger()

_PAUSE: Final = 0.1
_WORTH_A_MESSAGE: Final = 2.0
_LOCKED = re.compile(r"Could not set lock on file")
_PID = re.compile(r"\(PID (\d+)\)")
_SHOWN: Final = 120
"""Characters of another process' command."""


@contextmanager
def connect_when_free(
    path: Path, wait_seconds: float, options: Mapping[str, Any]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the file; waits so long for another process that has it open, and logs that.

    Raises WarehouseUnavailableError, which names that process, and WarehouseError for what is not a DuckDB file.
    """
    began = time.monotonic()
    noticed = False
    while True:
        try:
            connection = duckdb.connect(path, config=dict(options))
            break
        except duckdb.Error as error:
            text = str(error)
        if _LOCKED.search(text) is None:
            raise WarehouseError(f"{path} cannot be opened as a DuckDB file: {_first_line(text)}")
        holder, waited = _holder(text), time.monotonic() - began
        if waited >= wait_seconds:
            raise WarehouseUnavailableError(
                f"{path} is open in {holder}, for {waited:.0f} s already: DuckDB admits one process at a time. End "
                "that process or close the file there, then run this again; to wait longer, raise "
                "ORDERWATCH_WAREHOUSE_WAIT_SECONDS"
            )
        if not noticed and waited >= min(_WORTH_A_MESSAGE, wait_seconds / 2):
            log.warning("waiting_for_the_warehouse", path=str(path), open_in=holder, seconds=wait_seconds)
            noticed = True
        time.sleep(_PAUSE)
    with connection:
        yield connection


def _holder(text: str) -> str:
    """The process that has the file open, as DuckDB and the system name it."""
    found = _PID.search(text)
    if found is None:
        return "another process"
    try:
        arguments = Path(f"/proc/{found[1]}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ")
    except OSError:  # not Linux, or it has ended
        arguments = b""
    command = "".join(each if each.isprintable() else " " for each in arguments.decode(errors="replace"))
    if len(command) > _SHOWN:
        command = f"{command[:_SHOWN]}..."
    return f"process {found[1]} ({command})" if command else f"process {found[1]}"


def _first_line(text: str) -> str:
    return text.removeprefix("IO Error: ").partition("\n")[0]
