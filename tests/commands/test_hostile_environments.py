"""Every command in environments that it was not written for: a sentence and an exit code, never a traceback.

All commands start through `order_platform.command_line.run`. So what that module does (streams, encodings, signals) is
tried on one or two of them, the batch side's as well, whose libraries have other versions; what each command does by
itself (its imports, paths, settings and signal handlers) is tried on each.
"""

import itertools
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from order_platform.command_line.errors import ExitCode
from tests.commands.everyday import ASKING, NOWHERE, PROGRAMS, WORKING, assert_civil, run

pytestmark = pytest.mark.skipif(
    not PROGRAMS["order-batch"].exists(), reason="the batch side is not installed: `make install`"
)

# Modules of which an old or foreign one in PYTHONPATH broke a command once.
OLD_LIBRARIES = ("typing_extensions", "enum", "signal", "re", "click", "typer", "rich", "pydantic", "structlog", "six")

# Variables that do not touch one another are tried together: a start of a command takes up to a second.
ENVIRONMENTS = {
    "ascii, no columns, no terminal": {
        "PYTHONIOENCODING": "ascii", "COLUMNS": "0", "LINES": "0", "TERM": "", "FORCE_COLOR": "1"
    },
    "strict latin-1, odd columns, no folders": {
        "PYTHONIOENCODING": "latin-1:strict", "COLUMNS": "-1", "LINES": "many", "PYTHONOPTIMIZE": "2",
        "HOME": "/nonexistent", "XDG_CACHE_HOME": "/nonexistent", "XDG_CONFIG_HOME": "/nonexistent",
        "TMPDIR": "/nonexistent",
    },
    "C, dumb": {
        "LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb", "NO_COLOR": "1"
    },
    "unknown locale and zone, endless columns": {
        "LANG": "xx_YY.UTF-8", "LC_ALL": "xx_YY.UTF-8", "TZ": "Nowhere/None", "COLUMNS": "9" * 12, "LINES": "9" * 12
    },
}  # fmt: skip


WORKSPACE = [name for name in PROGRAMS if name != "order-batch"]


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        *zip(WORKSPACE, itertools.cycle(ENVIRONMENTS), strict=False),
        *(("order-batch", environment) for environment in ENVIRONMENTS),
    ],
)
def test_a_command_works_and_says_what_is_missing(name: str, environment: str, tmp_path: Path) -> None:
    working = run(name, *WORKING[name], home=tmp_path, environment=ENVIRONMENTS[environment])
    assert working.returncode == 0, working.stderr
    assert working.stdout.strip()
    asking = run(name, *ASKING[name], home=tmp_path, environment=ENVIRONMENTS[environment])
    assert asking.returncode in {ExitCode.NEGATIVE, ExitCode.USAGE, ExitCode.UNAVAILABLE}
    assert asking.stderr.strip()


@pytest.mark.parametrize("name", PROGRAMS)
def test_old_libraries_in_pythonpath_change_nothing(name: str, tmp_path: Path) -> None:
    libraries = tmp_path / "old"
    libraries.mkdir()
    for module in OLD_LIBRARIES:
        (libraries / f"{module}.py").write_text("raise RuntimeError('an old library')\n")
    done = run(name, *WORKING[name], home=tmp_path, environment={"PYTHONPATH": f"{libraries}:/nonexistent:"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("name", ["orderwatch", "order-batch"])
def test_the_folder_of_our_packages_may_be_in_pythonpath(name: str, tmp_path: Path) -> None:
    own = Path(PROGRAMS["orderwatch"]).parents[2] / "packages" / "order-platform"
    done = run(name, *WORKING[name], home=tmp_path, environment={"PYTHONPATH": str(own)})
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "shell"), [("order-api", ">&-"), ("order-batch", "<&- >&- 2>&-")])
def test_streams_that_are_closed(name: str, shell: str, tmp_path: Path) -> None:
    closed = run(name, *WORKING[name], home=tmp_path, shell=shell)
    assert closed.returncode == 0, closed.stderr


@pytest.mark.parametrize("name", ["fraud-detector", "order-producer"])
def test_an_output_that_is_full(name: str, tmp_path: Path) -> None:
    full = run(name, *WORKING[name], home=tmp_path, shell=">/dev/full")
    assert full.returncode in {ExitCode.NEGATIVE, ExitCode.UNAVAILABLE}
    assert "No space left on device" in full.stderr


@pytest.mark.parametrize("name", ["devstack", "order-batch"])
def test_an_error_stream_that_is_full(name: str, tmp_path: Path) -> None:
    mute = run(name, *ASKING[name], home=tmp_path, shell="2>/dev/full")
    assert mute.returncode in {ExitCode.NEGATIVE, ExitCode.USAGE, ExitCode.UNAVAILABLE}


@pytest.mark.parametrize("name", ["orderwatch", "order-batch"])
def test_a_closed_pipe_is_not_a_fault(name: str, tmp_path: Path) -> None:
    done = run(name, "--help", home=tmp_path, shell="| true")
    # The reader may be gone before or after all was written; either way there was no fault.
    assert done.stdout.strip() in {f"code {ExitCode.BROKEN_PIPE}", "code 0"}
    assert not done.stderr


def test_an_endless_output_ends_with_its_reader(tmp_path: Path) -> None:
    done = run(
        "order-producer", "generate", "--start", "2026-11-01", "--count", "200000", "--to-stdout",
        home=tmp_path, shell="| head -n 1 | cut -c 1-13",
    )  # fmt: skip
    assert set(done.stdout.splitlines()) == {'{"order_id":"', f"code {ExitCode.BROKEN_PIPE}"}


@pytest.mark.parametrize("name", PROGRAMS)
def test_arguments_that_are_not_text(name: str, tmp_path: Path) -> None:
    command = [str(PROGRAMS[name]).encode(), *(each.encode() for each in ASKING[name][:1]), b"caf\xe9"]
    variables = {**os.environ, **NOWHERE, "ORDERWATCH_HOME": str(tmp_path)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert_civil(done)
    assert done.returncode == ExitCode.USAGE
    assert "caf\\xe9" in done.stderr


HANDLING_SIGNALS = {"fraud-detector": "run", "order-api": "serve", "order-producer": "generate"}
"""Subcommands with signal handlers of their own, for draining."""


def _signals_to_try() -> Iterator[tuple[str, str, signal.Signals, float]]:
    """A command, its subcommand, a signal, and the seconds after which it comes: in its imports, or at work."""
    yield "orderwatch", "reconcile", signal.SIGINT, 0.3
    yield "fraud-detector", "run", signal.SIGTERM, 0.3
    yield "order-batch", "orders", signal.SIGHUP, 0.3
    yield "orderwatch", "reconcile", signal.SIGTERM, 1.5
    yield "devstack", "status", signal.SIGHUP, 1.5
    yield "order-batch", "orders", signal.SIGINT, 1.5
    for name, subcommand in HANDLING_SIGNALS.items():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            yield name, subcommand, number, 1.5


@pytest.mark.parametrize(("name", "subcommand", "number", "after"), list(_signals_to_try()))
def test_a_signal_ends_it_quietly_whenever_it_comes(
    name: str, subcommand: str, number: signal.Signals, after: float, tmp_path: Path
) -> None:
    variables = {**os.environ, **NOWHERE, "ORDERWATCH_HOME": str(tmp_path), "ORDERWATCH_API_PORT": "0"}
    with subprocess.Popen(
        [PROGRAMS[name], subcommand], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as process:  # fmt: skip
        time.sleep(after)
        process.send_signal(number)
        try:
            output, errors = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()  # leaving the block would wait for it
            raise
    # Before our first line and after our last one a signal ends Python itself, on a busy machine at any of these.
    assert process.returncode in {0, 1, 3, 128 + number, -number}, errors
    if process.returncode != -number:
        assert_civil(subprocess.CompletedProcess([name], process.returncode, output, errors))


CLOSED_HOME = {"HOME": "/root"}


def _homes_to_try() -> Iterator[tuple[str, Sequence[str], Mapping[str, str]]]:
    """A command, its arguments, and what is known of the user's home: that it is not to be entered, or nothing."""
    for name in PROGRAMS:
        yield name, WORKING[name], {**CLOSED_HOME, "ORDERWATCH_HOME": "~/orderwatch"}
        yield name, ASKING[name], {}
    # Clients of Postgres look for files in the home: asyncpg, and libpq on the batch side.
    yield "fraud-detector", ASKING["fraud-detector"], CLOSED_HOME
    yield "order-batch", ASKING["order-batch"], CLOSED_HOME
    # The embedded system is found and kept below the home.
    yield "devstack", WORKING["devstack"], {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize(("name", "arguments", "home"), list(_homes_to_try()))
def test_a_user_without_a_name_and_a_home(name: str, arguments: Sequence[str], home: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["setpriv", "--reuid=54321", "--regid=54321", "--clear-groups", str(PROGRAMS[name]), *arguments],
        env={"PATH": "/usr/bin:/bin", **NOWHERE, **home}, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip
    assert_civil(done)
    assert (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_working_directory_that_is_gone(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    line = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    # Of the two the one that opens files or connections.
    arguments = WORKING[name] if name in {"orderwatch", "fraud-detector"} else ASKING[name]
    done = subprocess.run(
        ["bash", "-c", line, "-", str(folder), str(PROGRAMS[name]), *arguments], capture_output=True,
        env={**os.environ, **NOWHERE, "ORDERWATCH_HOME": str(tmp_path)}, stdin=subprocess.DEVNULL, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert_civil(done)
    assert (done.stdout + done.stderr).strip()


SETTINGS = {
    "ORDERWATCH_LOG_LEVEL": "loud",
    "ORDERWATCH_LOG_FORMAT": "xml",
    "ORDERWATCH_DATABASE_URL": "postgresql://u:hunter2/x@h/d",
    "ORDERWATCH_DATABASE_PASSWORD": "hunter2",
    "ORDERWATCH_KAFKA": "PLAINTEXT://a:1",
    "ORDERWATCH_PAYMENT_METHODS": '["GoPay"',
    "ORDERWATCH_WAREHOUSE_PATH": "/etc",
    "ORDERWATCH_API_PORT": "70000",
    "ORDERWATCH_PRODUCER_PORT": "70000",
    "ORDERWATCH_DETECTOR_PORT": "70000",
}
READ_BY = {
    "orderwatch": ("up", ("LOG", "API_PORT", "PRODUCER_PORT", "DETECTOR_PORT", "PAYMENT", "WAREHOUSE")),
    "fraud-detector": ("run", ("LOG", "DATABASE", "KAFKA", "PAYMENT", "DETECTOR_PORT")),
    "order-api": ("serve", ("LOG", "DATABASE", "KAFKA", "PAYMENT", "API_PORT")),
    "order-producer": ("generate", ("LOG", "KAFKA", "PRODUCER_PORT")),
    "order-batch": ("marts", ("LOG", "DATABASE", "WAREHOUSE")),
}
# Read after the others are found to be valid, or about another setting: each is tried on its own.
ALONE = ("ORDERWATCH_DATABASE_PASSWORD", "ORDERWATCH_PAYMENT_METHODS", "ORDERWATCH_WAREHOUSE_PATH")


def _settings_to_try() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """A command, its subcommand, and settings that are not valid."""
    for name, (command, read) in READ_BY.items():
        variables = [each for each in SETTINGS if each.removeprefix("ORDERWATCH_").startswith(read)]
        yield name, command, tuple(each for each in variables if each not in ALONE)
        yield from ((name, command, (each,)) for each in ALONE if each in variables)


@pytest.mark.parametrize(("name", "command", "variables"), list(_settings_to_try()))
def test_settings_that_are_not_valid_are_named_by_those_that_read_them(
    name: str, command: str, variables: tuple[str, ...], tmp_path: Path
) -> None:
    environment = {variable: SETTINGS[variable] for variable in variables}
    done = run(name, command, home=tmp_path, environment=environment)
    assert done.returncode == ExitCode.USAGE, done.stderr
    assert [variable for variable in variables if variable not in done.stderr] == []
    assert done.stderr.startswith(f"{name}: ORDERWATCH_")
    assert not done.stdout
