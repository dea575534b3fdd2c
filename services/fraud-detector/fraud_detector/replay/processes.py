"""Replay of partitions by several processes: they depend on each other in nothing."""

import multiprocessing
import signal
from collections.abc import Generator, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from decision_engine.replay.orders import Partition
from decision_engine.replay.replayer import KnownPast, Replayer
from fraud_detector.replay.results import DifferingOrder, ReplayResult, replay_orders
from fraud_detector.replay.staged_orders import StagedOrders

REPORTED_EVERY: Final = 500
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
            arguments = past, path, partitions[number::count], sender
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


def _work(past: KnownPast, path: Path, partitions: Sequence[Partition], sender: Connection) -> None:
    """In a forked process: Ctrl-C is for the one that started it, which ends this one."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    for report in _replay(past, path, partitions):
        sender.send(report)


def _replay(past: KnownPast, path: Path, partitions: Sequence[Partition]) -> Iterator[Report]:
    staged = StagedOrders(path)
    for partition in partitions:
        result, since_report = ReplayResult(), 0
        # Histories of their own: each partition's decisions saw the others' orders in a sequence of their own.
        replayer = Replayer(past, staged)
        for order in replay_orders(replayer, staged.decided(partition), result):
            since_report += 1
            if since_report == REPORTED_EVERY:
                yield since_report
                since_report = 0
            if order is not None:
                yield order
        yield since_report
        yield result
    staged.close()
