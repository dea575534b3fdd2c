"""Services without their imports, which are most of what a start costs: a process that has done them forks for each.

`python -m tests.support.preloaded SOCKET MODULE...` imports the modules and serves until its standard input is closed.
A request comes as JSON with descriptors of the standard streams; the response is the process id, and later the exit
code. In the forked process the service runs as `python -m` would run it, with its own environment, signals and exit.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

MODULES: Mapping[str, tuple[str, ...]] = {
    "fraud_detector": ("fraud_detector.cli", "fraud_detector.run"),
    "order_api": ("order_api.cli", "order_api.app", "order_api.http.server"),
}
"""What a service has imported once it serves."""

Running = dict[int, tuple[int, socket.socket]]
"""Process ids and who waits for the end, by a descriptor that is readable then."""


class PreloadedProcess:
    """A service that was forked; with what tests use of a `subprocess.Popen`."""

    def __init__(self, module: str, command: str, environment: Mapping[str, str], log: IO[bytes]) -> None:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(_serve(module)))
        request = {"module": module, "command": command, "folder": str(Path.cwd()), "environment": dict(environment)}
        with Path(os.devnull).open() as nothing:
            socket.send_fds(connection, [b"-"], [nothing.fileno(), log.fileno(), log.fileno()])
        connection.sendall(json.dumps(request).encode() + b"\n")
        responses = connection.makefile("rb")
        self.pid = int(responses.readline())
        self.returncode: int | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._await_exit_code, args=[connection, responses], daemon=True).start()

    def _await_exit_code(self, connection: socket.socket, responses: IO[bytes]) -> None:
        with connection, responses:
            try:
                self.returncode = int(responses.readline())
            finally:
                self._ended.set()

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self.returncode if self._ended.is_set() else None

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; returns the exit code. Raises subprocess.TimeoutExpired."""
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired([str(self.pid)], timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


@cache
def _serve(module: str) -> Path:
    """The socket of the process that forks for a module's service; it ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="orderwatch-preloaded-"))
    path = folder / "socket"
    # Whatever the environment of a service says later: consoles take their width from here.
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.preloaded", str(path), *MODULES[module]],
        env={**os.environ, "COLUMNS": "200"}, cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip

    def end() -> None:
        server.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", f"{MODULES[module]} cannot be imported"
    return path


def serve(path: Path) -> dict[str, Any] | None:
    """Fork for each request: returns it in the forked process, and None once standard input is closed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        print("ready", flush=True)
        running: Running = {}
        while True:
            readable, _, _ = select.select([listener, sys.stdin, *running], [], [])
            for ended in running.keys() & readable:
                pid, connection = running.pop(ended)
                _, status = os.waitpid(pid, 0)
                with connection, suppress(OSError):  # the test run may have ended
                    connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                os.close(ended)
            if sys.stdin in readable:
                return None
            if listener in readable:
                connection, _ = listener.accept()
                _, streams, _, _ = socket.recv_fds(connection, 1, 3)
                with connection.makefile("rb") as requests:
                    request: dict[str, Any] = json.loads(requests.readline())
                if (pid := os.fork()) == 0:
                    for descriptor, (_, other) in running.items():
                        os.close(descriptor)
                        other.close()
                    connection.close()
                    for number, stream in enumerate(streams):
                        os.dup2(stream, number)
                        os.close(stream)
                    return request  # and so out of this program, which ends as the service does
                for stream in streams:
                    os.close(stream)
                running[os.pidfd_open(pid)] = (pid, connection)
                connection.sendall(b"%d\n" % pid)


def main() -> None:
    """Import the modules, and serve; in a forked process, run the service."""
    socket_path, *modules = sys.argv[1:]
    for module in modules:
        importlib.import_module(module)
    assert threading.active_count() == 1, "a fork has none of these threads, and their locks as they are"
    gc.freeze()
    request = serve(Path(socket_path))
    if request is None:
        return
    gc.unfreeze()
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["folder"])
    sys.argv = [request["module"], request["command"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
