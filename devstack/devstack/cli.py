"""Commands of the embedded system: up, down, status, logs, clean and env."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from devstack import airflow
from devstack.log_files import Follower, last_lines
from devstack.paths import SystemPaths
from devstack.settings import EmbeddedSettings
from devstack.status import report_processes, status_table
from devstack.supervisor import take_down
from devstack.system import System
from order_contract.business_time import business_text
from order_platform.command_line.checklist import Checklist
from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.errors import CommandError, SettingsError, UnavailableError
from order_platform.command_line.getting_started import print_getting_started
from order_platform.command_line.output import ERR, OUT, print_json
from order_platform.command_line.settings_errors import read_settings

# An interrupted start may still be at work, undoing what it did.
WAIT_SECONDS = 180.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LOG_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def devstack() -> None:
    """Run Orderwatch on this machine without Docker: Kafka, PostgreSQL, Airflow and the services."""


@app.command()
def up(
    producer: Annotated[
        bool | None, typer.Option("--producer/--no-producer", help="Publish generated orders, or none.")
    ] = None,
    batch: Annotated[bool | None, typer.Option("--batch/--no-batch", help="Run Airflow too, or not.")] = None,
    rate: Annotated[float | None, typer.Option(help="Generated orders per second.", min=0, max=1_000_000)] = None,
    detectors: Annotated[int | None, typer.Option(help="How many detectors share the work.", min=1, max=64)] = None,
) -> None:
    """Start everything on this machine and wait until it is ready; repeat it to repair or change what runs.

    orderwatch up
    orderwatch up --rate 100 --detectors 2
    orderwatch up --no-producer

    Ports and folder are settings: ORDERWATCH_API_PORT, ORDERWATCH_KAFKA_PORT, ORDERWATCH_KAFKA_CONTROLLER_PORT,
    ORDERWATCH_POSTGRES_PORT, ORDERWATCH_DETECTOR_PORT, ORDERWATCH_PRODUCER_PORT, ORDERWATCH_AIRFLOW_PORT and
    ORDERWATCH_HOME.
    """
    # Here: it brings a second of imports, which the other commands do not need.
    from devstack.startup import bring_up, check_services, invite_user  # noqa: PLC0415

    began = time.monotonic()
    os.umask(0o077)  # all that it writes is private
    settings = _read_settings(producer=producer, batch=batch, rate=rate, detectors=detectors)
    with System.open_for_change(settings, wait_seconds=WAIT_SECONDS) as system:
        system.choose_ports()
        check_services(system)
        changed = _run_interruptible(partial(bring_up, system))
    if changed:
        OUT.print(f"Orderwatch is up, after {time.monotonic() - began:.1f} s.", style="bold")
    else:
        OUT.print("Orderwatch is up already.", style="bold")
    OUT.print(status_table(asyncio.run(report_processes(System(system.settings)))))
    if system.settings.batch:
        login = f"{airflow.USER} / {system.credentials.airflow_password}"
        OUT.print(f"Airflow starts in the background, at {system.airflow_url}: {login}", markup=False)
    OUT.print(
        "\nThe workbench, where flagged orders are reviewed; this link signs you in once, within an hour:", style="bold"
    )
    OUT.print(f"  {asyncio.run(invite_user(system))}", soft_wrap=True, markup=False)
    _print_getting_started(system)


def _read_settings(
    *, producer: bool | None, batch: bool | None, rate: float | None, detectors: int | None
) -> EmbeddedSettings:
    options: dict[str, Any] = {}
    if batch is not None:
        options["batch"] = batch
    if detectors is not None:
        options["detectors"] = detectors
    if producer is False:
        options["producer_rate"] = 0
    elif rate is not None:
        options["producer_rate"] = rate
    elif producer is True and read_settings(EmbeddedSettings).producer_rate == 0:
        raise SettingsError("--producer, but ORDERWATCH_PRODUCER_RATE is 0", "Give a --rate, too.")
    elif producer is True:
        options["producer_rate"] = read_settings(EmbeddedSettings).producer_rate
    return read_settings(EmbeddedSettings, **options)


def _run_interruptible(start: Callable[[Checklist], Awaitable[bool]]) -> bool:
    """Run the start. A signal, also that of a terminal that was closed, stops what was started here."""
    received: list[signal.Signals] = []

    async def run() -> bool:
        task = asyncio.current_task()
        assert task is not None

        def interrupt(number: signal.Signals) -> None:
            # A closed terminal can send several; one is enough, and stopping is not to be interrupted.
            if not received:
                task.cancel()
            received.append(number)

        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, interrupt, number)
        with Checklist(OUT) as steps:
            return await start(steps)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):  # the terminal may be gone
            ERR.print("orderwatch: interrupted; what was started is stopped again", style="bold red")
        raise typer.Exit(128 + received[0]) from None


def _print_getting_started(system: System) -> None:
    env = system.paths.env
    if env.is_relative_to(Path.cwd()):
        env = env.relative_to(Path.cwd())
    print_getting_started(settings=f". {shlex.quote(str(env))}", live="make flags FOLLOW=1", topics="make topics")


@app.command()
def down() -> None:
    """Stop everything in order; the data stays, and `up` resumes from there."""
    with System.open_for_change(read_settings(EmbeddedSettings)) as system:
        _stop(system)


def _stop(system: System) -> None:
    """Stop a system and say what was stopped."""
    if not system.running:
        OUT.print("Orderwatch is not up: nothing to stop.")
        return
    with Checklist(OUT) as steps, steps.step("stopping"):
        result = take_down(system.supervisor)
    OUT.print(f"Stopped {', '.join(result.stopped) or 'the supervisor'}.", style="bold")
    if result.killed:
        OUT.print(f"Had to be killed in the end: {', '.join(map(str, result.killed))}.", style="yellow")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs: a list of objects.")] = False,
) -> None:
    """Show each process: its state, since when, where it listens, and how often it had to be restarted.

    orderwatch status
    orderwatch status --json | jq '.[] | select(.state != "running")'
    """
    processes = asyncio.run(report_processes(System(read_settings(EmbeddedSettings))))
    if as_json:
        print_json([asdict(process) for process in processes])
    elif not processes:
        OUT.print("Orderwatch is not up; `make up` starts it.")
    else:
        OUT.print(status_table(processes))
        for process in processes:
            if process.last_end is not None:
                OUT.print(
                    f"{process.service} ended last at {business_text(process.last_end)} ({process.last_end_reason}) "
                    f"and was restarted; see `make logs SERVICE={process.service}`."
                )
            if process.problem:
                OUT.print(f"{process.service}: {process.problem}", markup=False)


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(help="One of them, such as detector; all when left out.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue with what is added, until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="How many of the last lines of each.", min=0)] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object per line.")] = False,
) -> None:
    """Show the last lines that the processes printed; `supervisor` tells what ended and was restarted.

    orderwatch logs
    orderwatch logs detector --follow
    orderwatch logs supervisor --lines 100
    """
    paths = SystemPaths(read_settings(EmbeddedSettings).home)
    files = {path.stem: path for path in sorted(paths.logs.glob("*.log"))}
    if not files:
        raise UnavailableError(f"there are no logs in {paths.logs}", "Run `make up`.")
    if service is not None:
        if service not in files:
            raise CommandError(f"there is no log of {service!r}", f"There are: {', '.join(files)}.")
        files = {service: files[service]}
    show = _print_line_as_json if as_json else partial(_print_line, _prefixes(files))
    followers = {name: Follower(path) for name, path in files.items()}
    for name, path in files.items():
        for line in last_lines(path, lines):
            show(name, line)
    with contextlib.suppress(KeyboardInterrupt):
        while follow:
            for name, follower in followers.items():
                for line in follower.read():
                    show(name, line)
            time.sleep(0.2)


def _prefixes(files: dict[str, Path]) -> dict[str, Text]:
    if len(files) == 1:
        return dict.fromkeys(files, Text())
    width = max(map(len, files))
    return {name: Text(f"{name:<{width}} | ", colour) for name, colour in zip(files, cycle(LOG_COLOURS), strict=False)}


def _print_line(prefixes: Mapping[str, Text], service: str, line: str) -> None:
    OUT.print(prefixes[service] + Text(line), soft_wrap=True)


def _print_line_as_json(service: str, line: str) -> None:
    print_json({"service": service, "line": line})


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Stop it first when it runs, without asking.")] = False,
) -> None:
    """Delete all orders, decisions, logs and passwords of this checkout's embedded system."""
    with System.open_for_change(read_settings(EmbeddedSettings)) as system:
        if system.running:
            question = "Orderwatch is up. Stop it and delete its data?"
            require_confirmation("devstack", question, yes=yes, unchanged="Orderwatch is up, and nothing was deleted")
            _stop(system)
        for path in system.paths.all_files():
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        home = system.paths.home
        if home.exists() and not any(home.iterdir()):
            home.rmdir()
    OUT.print(f"The data in {home} was deleted.")


@app.command()
def env(
    admin: Annotated[bool, typer.Option("--admin", help="Those of an administrator.")] = False,
) -> None:
    """Print where the system is and a key for it, as variables: eval "$(devstack env)"."""
    paths = SystemPaths(read_settings(EmbeddedSettings).home)
    file = paths.admin_env if admin else paths.env
    if not file.exists():
        raise UnavailableError(f"there is no system here: {file} is missing", "Run `make up`.")
    typer.echo(file.read_text(), nl=False)
