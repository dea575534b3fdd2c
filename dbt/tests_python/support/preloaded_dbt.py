"""dbt without its start: a process that has imported dbt and parsed a project forks for each command.

`python -m tests_python.support.preloaded_dbt PROJECT SOCKET` serves until its standard input is closed. A command comes
as JSON with the descriptors of its standard streams; the response is the process id of dbt, and later its exit code.
The project that PROJECT is a copy of is parsed; PROJECT is for another target than DuckDB, and after its files changed.

With MODELS_ONLY in a command's environment a build leaves out data tests, which take a third of it, and comments in the
warehouse. Debug events, which nothing prints, are left out in any case.
"""

import gc
import json
import os
import pickle
import select
import socket
import sys
import tempfile
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import run_dbt
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.cheap_builds import leave_out_comments, without_debug_events
from tests_python.support.kept_parse import WAREHOUSE_PATH, keep, parse_options

Files = dict[Path, tuple[int, int]]


def serve(project: Path, path: Path) -> None:
    """Serve commands on a Unix socket at `path`."""
    files = project_files(project)
    manifest = parse()
    warm_up(project, manifest)
    # What is loaded now stays: collections in the forked processes need not look at it, and seldom find anything.
    gc.freeze()
    gc.set_threshold(50_000)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        running = 0
        while True:
            readable, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in readable:
                break
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                handle(connection, manifest if project_files(project) == files else None)
            connection.close()
            running += 1
            while running and os.waitpid(-1, os.WNOHANG)[0]:
                running -= 1
        for _ in range(running):
            os.wait()


def project_files(project: Path) -> Files:
    """The size and time of each file that dbt parses."""
    folders = ["models", "macros", "seeds", "tests"]
    found = [path for folder in folders for path in (project / folder).rglob("*") if path.is_file()]
    states = {path: path.stat() for path in [*found, *project.glob("*.yml")]}
    return {path: (state.st_size, state.st_mtime_ns) for path, state in states.items()}


def parse() -> Manifest:
    """The project as dbt reads it, for DuckDB.

    dbt's parser leaves native threads behind, whose locks a fork would copy as held: so it runs in a child process.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            with os.fdopen(writer, "wb") as result, tempfile.TemporaryDirectory() as target:
                os.environ["ORDERWATCH_WAREHOUSE_PATH"] = WAREHOUSE_PATH
                options = ["--quiet", "--log-level-file", "none"]
                parsed = dbtRunner().invoke([*options, *parse_options("duckdb", Path(target))]).result
                pickle.dump(parsed, result)
                if isinstance(parsed, Manifest):
                    keep("duckdb", Path(target))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        manifest = pickle.loads(result.read())
    os.waitpid(child, 0)
    if isinstance(manifest, Manifest):
        return manifest
    raise RuntimeError("dbt cannot parse the project")


def warm_up(project: Path, manifest: Manifest) -> None:
    """Run a command that starts no threads: what dbt generates at first use takes 0.7 s of CPU in each new process."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), tempfile.TemporaryDirectory() as target:
        where = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", target]
        run(["--quiet", "--log-level-file", "none", "ls", "--target", "duckdb", *where], manifest)


def handle(connection: socket.socket, manifest: Manifest | None) -> None:
    """Run one command as the `dbt` of its folder would, then end this process."""
    code = 1
    try:
        message, streams, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        request: dict[str, Any] = json.loads(message)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.chdir(request["directory"])
        os.environ.clear()
        os.environ.update(request["environment"])
        connection.sendall(f"{os.getpid()}\n".encode())
        arguments = request["arguments"]
        if "MODELS_ONLY" in request["environment"] and "parse" not in arguments:
            if arguments[0] == "build":
                arguments += ["--exclude-resource-type", "test"]
            if manifest is not None:
                leave_out_comments(manifest)
        with without_debug_events():
            code = run(arguments, manifest)
    except Exception:  # noqa: BLE001  (whatever it is, it is printed and this process ends)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        connection.sendall(f"{code}\n".encode())
        os._exit(code)


def run(arguments: list[str], manifest: Manifest | None) -> int:
    """dbt's command line, with what was parsed before where it holds; returns the exit code."""
    known = manifest if "bigquery" not in arguments else None
    try:
        run_dbt.run(arguments, known)
    except SystemExit as end:
        if "parse" in arguments and known is not None:
            # dbt writes what it has parsed itself, and not what it was given.
            folder = arguments[arguments.index("--target-path") + 1]
            Path(folder).mkdir(parents=True, exist_ok=True)
            known.write(str(Path(folder) / "manifest.json"))
        return end.code if isinstance(end.code, int) else int(end.code is not None)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
