"""Snapshots of the histories in a file, so that a detector that starts does not read all orders again.

A snapshot has what was stored and followed up to certain offsets, and the positions on topic `decisions` from which
what came later is followed: a detector that starts with one is like one whose partitions were just revoked. Every
detector knows the same orders, so several on one machine share a file.
"""

import asyncio
import gc
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import msgspec
import structlog

from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.snapshot import SnapshotError, read_frame, write_frame
from decision_engine.history.stream_features import StreamFeatures
from order_platform.atomic_write import PRIVATE
from order_platform.gc_tuning import paused_collector

log = structlog.get_logger()

LONGEST_WRITE: Final = 600.0
BUFFER_BYTES: Final = 1024 * 1024
_NICENESS: Final = 10
_FIRST_OWN: Final = 3  # after standard input, output and error
_MOST_DESCRIPTORS: Final = 1_048_576
_FORK: Final = multiprocessing.get_context("fork")


StoredHistories = tuple[StreamFeatures, Mapping[int, int]]
"""Histories, and the positions on topic `decisions` that they cover."""


class Snapshots:
    """The snapshot of one topic's orders in a directory, written every so many seconds."""

    def __init__(self, directory: Path, *, topic: str, epoch: int, every: float, most_bytes: int | None = None) -> None:
        self._path = directory / f"{topic}-{epoch}.histories"
        # Of this process and the one that it forks to write, which may be killed and leave it.
        self._partial = directory / f".{self._path.name}.{os.getpid()}.partial"
        self._every = every
        self._most_bytes = most_bytes

    def read(self, features: Sequence[HistoryFeature], label_epoch: int = 1) -> StoredHistories | None:
        """The histories, and the positions on `decisions` that they cover; None without a usable snapshot."""
        started = time.monotonic()
        history = StreamFeatures(features, most_bytes=self._most_bytes, label_epoch=label_epoch)
        try:
            with paused_collector(), self._path.open("rb", BUFFER_BYTES) as file:
                positions = msgspec.msgpack.decode(read_frame(file), type=dict[int, int])
                history.read(file)
        except FileNotFoundError:
            return None
        except (OSError, SnapshotError, msgspec.DecodeError) as error:
            log.warning("snapshot_not_used", file=str(self._path), problem=str(error))
            return None
        log.info("snapshot_read", histories=history.histories, seconds=round(time.monotonic() - started, 2))
        return history, positions

    def write(self, history: StreamFeatures, positions: Mapping[int, int]) -> None:
        """Write a snapshot; the file is replaced once it is complete. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
            with open(descriptor, "wb", BUFFER_BYTES) as file:  # noqa: PTH123
                write_frame(file, msgspec.msgpack.encode(positions))
                history.write(file)
            self._partial.replace(self._path)
        finally:
            with suppress(OSError):
                self._partial.unlink(missing_ok=True)

    async def write_regularly(self, stored: Callable[[], StoredHistories | None]) -> None:
        """Write snapshots until it is cancelled, each by a process that is forked: it sees the histories of one moment.

        `stored` is called in that process; it may change the histories to what is stored. None when there are none.
        """
        while True:
            await asyncio.sleep(self._every)
            if self._is_recent():
                continue  # another detector wrote it
            started = time.monotonic()
            try:
                problem = await _in_fork(lambda: self._write_stored(stored))
            finally:
                with suppress(OSError):
                    self._partial.unlink(missing_ok=True)
            if problem:
                log.warning("snapshot_not_written", file=str(self._path), problem=problem)
            else:
                log.debug("snapshot_written", file=str(self._path), seconds=round(time.monotonic() - started, 2))

    def _write_stored(self, stored: Callable[[], StoredHistories | None]) -> None:
        if (histories := stored()) is not None:
            self.write(*histories)

    def _is_recent(self) -> bool:
        with suppress(OSError):
            return time.time() - self._path.stat().st_mtime < self._every / 2
        return False


async def _in_fork(work: Callable[[], None]) -> str | None:
    """Do some work in a forked process; the problem when it failed."""
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_work, args=(work, sender), daemon=True)
    process.start()
    sender.close()
    try:
        await asyncio.to_thread(process.join, LONGEST_WRITE)
        if process.exitcode is None:
            return f"it took more than {LONGEST_WRITE:.0f} s"
        return None if process.exitcode == 0 else _failure_message(receiver, process.exitcode)
    finally:
        receiver.close()
        process.kill()
        process.join()


def _failure_message(receiver: Connection, exit_code: int) -> str:
    with suppress(EOFError):  # of one that was killed
        return str(receiver.recv())
    return f"its process ended with {exit_code}"


def _work(work: Callable[[], None], sender: Connection) -> None:
    """In the forked process: do the work, without touching what belongs to the detector."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    # Connections must not stay open when the detector closes them or is killed.
    os.closerange(_FIRST_OWN, sender.fileno())
    os.closerange(sender.fileno() + 1, _MOST_DESCRIPTORS)
    os.nice(_NICENESS)
    gc.disable()
    try:
        work()
    except Exception as error:  # noqa: BLE001  (the detector logs it)
        sender.send(f"{type(error).__name__}: {error}")
        raise SystemExit(1) from None
