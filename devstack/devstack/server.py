"""Base class of the embedded servers, which the supervisor runs, or a test directly."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from devstack.log_files import LogMark
from order_platform.command_line.errors import CommandError

LAUNCHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("child_launcher.py")))
"""Runs the command after `--` such that it ends with its parent (see child_launcher.py)."""

# The kernel ends a child with the *thread* that started it, so one thread that lives as long as we do starts them all.
_starter = ThreadPoolExecutor(1, thread_name_prefix="server-starter")


class ServerFailedError(CommandError):
    """A server that ended, or does not respond in time; the text holds the last lines of its log."""


class EmbeddedServer(ABC):
    """A server with its data below `home`, on one port of this machine.

    `prepare()`, `command()` and `probe()` are what a supervisor needs; `start()`, `kill()` and the rest run it
    directly, as a child of this process that ends with it.
    """

    name: str
    stop_signal = signal.SIGTERM

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self._start_of_log = LogMark(self.log)
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def prepare(self) -> None:
        """Bring configuration and data folder about; safe to repeat."""

    @abstractmethod
    def command(self) -> list[str]:
        """What to run, in the folder `home`; it ends when its parent does."""

    @abstractmethod
    async def probe(self) -> str | None:
        """None when it serves, else the problem."""

    @property
    def log(self) -> Path:
        """What it printed when started directly."""
        return self.home / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """The process that was started last."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process that was started is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return at once; `wait_ready` tells when it serves."""
        assert not self.running, f"{self.name} runs already"
        self.prepare()
        self._start_of_log = LogMark(self.log)

        def spawn() -> subprocess.Popen[bytes]:
            with self.log.open("ab") as log:
                # A session of its own: Ctrl-C is for us, and we stop it in order.
                return subprocess.Popen(
                    self.command(),
                    cwd=self.home,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

        self._process = _starter.submit(spawn).result()

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until it serves. Raises ServerFailedError. From a coroutine: `await asyncio.to_thread(x.wait_ready)`."""
        deadline = time.monotonic() + timeout
        while (problem := asyncio.run(self.probe())) is not None:
            if not self.running:
                raise ServerFailedError(f"{self.name} ended while starting", self._log_end())
            if time.monotonic() > deadline:
                raise ServerFailedError(f"{self.name} does not serve after {timeout:.0f} s: {problem}", self._log_end())
            time.sleep(0.05)

    def kill(self) -> None:
        """End it without a chance to clean up (SIGKILL), and wait until it and its children are gone."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """Stop it in order and wait."""
        self._end(self.stop_signal)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None or not self.running:
            return
        # Children outlive a killed Postgres for a moment, and hold what a new one needs.
        children = psutil.Process(self.pid).children(recursive=True)
        os.kill(self.pid, how)
        self._process.wait()
        psutil.wait_procs(children)

    def _log_end(self, lines: int = 15) -> str:
        """The end of what it printed since this start."""
        return "\n".join(self._start_of_log.lines(lines))
