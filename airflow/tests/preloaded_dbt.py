"""A project's `dbt` whose start costs milliseconds: it hands its command to a process that has imported dbt already.

The command runs dbt's own command line in a process of its own, forked from that one. Tests of the process itself, its
locks and its end by signals, take the installed `dbt`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLIENT = """\
#!{python} -IS
import json, os, signal, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({path!r})
    request = {{"arguments": sys.argv[2:], "directory": os.getcwd(), "environment": dict(os.environ)}}
    socket.send_fds(server, [json.dumps(request).encode()], [0, 1, 2])
    lines = server.makefile()
    process = int(lines.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(process, number))
    sys.exit(int(lines.readline() or 70))
"""


@contextmanager
def preload_dbt(dbt: Path, project: Path) -> Iterator[None]:
    """Give `project`, a copy of the project in `dbt`, an executable that is served as long as this lasts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "socket"  # in a short folder: a socket's path has 107 characters at most
        module = "tests_python.support.preloaded_dbt"
        command: list[str | Path] = [dbt / ".venv" / "bin" / "python", "-m", module, project, path]
        with subprocess.Popen(command, cwd=dbt, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            try:
                assert server.stdout.readline() == "ready\n"
                program = project / ".venv" / "bin" / "python"
                program.parent.mkdir(parents=True)
                program.write_text(CLIENT.format(python=sys.executable, path=str(path)))
                program.chmod(0o755)
                yield
            finally:
                server.stdin.close()
