"""Replay of partitions by several processes: they depend on each other in nothing."""

import multiprocessing
import os
import signal
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from decision_engine.replay.merging import merge_by_seen
from decision_engine.replay.orders import Partition
from decision_engine.replay.replayer import KnownPast, Replayer
from fraud_detector.replay.results import DifferingOrder, ReplayResult, replay_order
from fraud_detector.replay.staged_orders import StagedOrders

REPORTED_EVERY: Final = 500
FEW_TAKEN_BACK: Final = 5_000
# Rulesets are compiled functions, which cannot be sent to a process, but are there in one that is forked.
_FORK: Final = multiprocessing.get_context("fork")

Report = DifferingOrder | ReplayResult | int
"""An order that differs, what a partition came to, or how many orders were decided again since the last report."""


def replay_partitions(past: KnownPast, path: Path, processes: int) -> Generator[Report, None, None]:
    """Decide all orders again that are staged in a file, with as many partitions at a time as there are processes."""
    staged = StagedOrders(path)
    partitions = staged.partitions
    staged.close()  # SQLite's connections must not be carried into another process
    count = min(processes, len(partitions))
    if count <= 1:
        yield from _replay(past, path, partitions)
        return
    workers: dict[Connection, BaseProcess] = {}
    try:
        for number in range(count):
            receiver, sender = _FORK.Pipe(duplex=False)
            arguments = past, path, partitions[number::count], sender, os.getpid()
            workers[receiver] = _FORK.Process(target=_work, args=arguments, daemon=True)
            workers[receiver].start()
            sender.close()
        yield from _receive(workers)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.join()


def _receive(workers: dict[Connection, BaseProcess]) -> Iterator[Report]:
    open_pipes = set(workers)
    while open_pipes:
        for receiver in wait(list(open_pipes)):
            assert isinstance(receiver, Connection)
            try:
                yield receiver.recv()
            except EOFError:
                open_pipes.discard(receiver)
                workers[receiver].join()
                if (code := workers[receiver].exitcode) != 0:
                    raise RuntimeError(f"a process of the replay ended with {code}") from None


def _work(past: KnownPast, path: Path, partitions: Sequence[Partition], sender: Connection, parent: int) -> None:
    """In a forked process: Ctrl-C is for its parent, which ends this one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for report in _replay(past, path, partitions):
        if os.getppid() != parent:
            return  # it was killed, and nothing else ends this one
        sender.send(report)


def _replay(past: KnownPast, path: Path, partitions: Sequence[Partition]) -> Iterator[Report]:
    """Decide the orders of partitions again: by the same histories as far as that saves work, then by their own."""
    staged = StagedOrders(path)
    following = dict.fromkeys(partitions, 0)
    # What one detector decided needs one history. Several detectors saw different parts of each other's orders, so
    # that histories would take orders back and add them again: a history per partition is less work then.
    common, result, decided = Replayer(past, staged), ReplayResult(), 0
    for order in merge_by_seen(staged.decided(partition) for partition in partitions):
        following[order.partition] = order.offset + 1
        decided += 1
        differing = replay_order(common, order, result)
        if differing is not None:
            yield differing
        if decided % REPORTED_EVERY == 0:
            yield REPORTED_EVERY
        if common.taken_back > FEW_TAKEN_BACK + decided * (len(partitions) - 1) // 2:
            break
    else:
        following.clear()
    yield decided % REPORTED_EVERY
    yield result
    del common  # its histories are as large as each of the next ones
    for partition, first in following.items():
        yield from _replay_partition(past, staged, partition, first)
    staged.close()


def _replay_partition(past: KnownPast, staged: StagedOrders, partition: Partition, first: int) -> Iterator[Report]:
    """Decide what is left of a partition again, by histories of its own."""
    replayer, result, decided = Replayer(past, staged), ReplayResult(), 0
    for decided, order in enumerate(staged.decided(partition, first), 1):
        differing = replay_order(replayer, order, result)
        if differing is not None:
            yield differing
        if decided % REPORTED_EVERY == 0:
            yield REPORTED_EVERY
    yield decided % REPORTED_EVERY
    yield result
