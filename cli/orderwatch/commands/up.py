"""`orderwatch up`: start everything, and say what runs where."""

import asyncio
import contextlib
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from order_platform.command_line.settings_errors import read_settings
from orderwatch.commands.status import status_table
from orderwatch.console import ERR, OUT, Checklist
from orderwatch.embedded import airflow
from orderwatch.embedded.report import report
from orderwatch.embedded.service_settings import check_services
from orderwatch.embedded.startup import bring_up
from orderwatch.embedded.system import System
from orderwatch.errors import UsageError
from orderwatch.first_steps import say_first_steps
from orderwatch.settings import EmbeddedSettings

# An interrupted start may still be at work, undoing what it did.
WAIT_SECONDS = 180.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(
    producer: Annotated[
        bool | None, typer.Option("--producer/--no-producer", help="Publish generated orders, or none.")
    ] = None,
    batch: Annotated[bool | None, typer.Option("--batch/--no-batch", help="Run Airflow too, or not.")] = None,
    rate: Annotated[float | None, typer.Option(help="Generated orders per second.", min=0, max=1_000_000)] = None,
    detectors: Annotated[int | None, typer.Option(help="How many detectors share the work.", min=1, max=64)] = None,
) -> None:
    """Start everything on this machine and wait until it is ready; repeat it to mend or change what runs.

    orderwatch up
    orderwatch up --rate 100 --detectors 2
    orderwatch up --no-producer

    Ports and folder are settings: ORDERWATCH_API_PORT, ORDERWATCH_KAFKA_PORT, ORDERWATCH_KAFKA_CONTROLLER_PORT,
    ORDERWATCH_POSTGRES_PORT, ORDERWATCH_DETECTOR_PORT, ORDERWATCH_PRODUCER_PORT, ORDERWATCH_AIRFLOW_PORT and
    ORDERWATCH_HOME.
    """
    began = time.monotonic()
    os.umask(0o077)  # all that it writes is private
    asked = _asked(producer=producer, batch=batch, rate=rate, detectors=detectors)
    with System.to_change(asked, wait_seconds=WAIT_SECONDS) as system:
        system.choose_ports()
        check_services(system)
        changed = _interruptible(system)
    if changed:
        OUT.print(f"Orderwatch is up, after {time.monotonic() - began:.1f} s.", style="bold")
    else:
        OUT.print("Orderwatch is up already.", style="bold")
    OUT.print(status_table(asyncio.run(report(System(system.settings)))))
    if system.settings.batch:
        login = f"{airflow.USER} / {system.credentials.airflow_password}"
        OUT.print(f"Airflow comes up behind it, at {system.airflow_url}: {login}", markup=False)
    _say_what_to_try(system)


def _asked(*, producer: bool | None, batch: bool | None, rate: float | None, detectors: int | None) -> EmbeddedSettings:
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
        raise UsageError("--producer, but ORDERWATCH_PRODUCER_RATE is 0", "Give a --rate, too.")
    elif producer is True:
        options["producer_rate"] = read_settings(EmbeddedSettings).producer_rate
    return read_settings(EmbeddedSettings, **options)


def _interruptible(system: System) -> bool:
    """Bring the system up. A signal, also that of a terminal that was closed, stops what was started here."""
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
            return await bring_up(system, steps)

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):  # the terminal may be gone
            ERR.print("orderwatch: interrupted; what was started is stopped again", style="bold red")
        raise typer.Exit(128 + received[0]) from None


def _say_what_to_try(system: System) -> None:
    env = system.layout.env
    if env.is_relative_to(Path.cwd()):
        env = env.relative_to(Path.cwd())
    say_first_steps(settings=f". {shlex.quote(str(env))}", live="make flags FOLLOW=1", topics="make topics")
