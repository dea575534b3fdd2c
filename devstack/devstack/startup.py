"""Start of the embedded system: every process that is not running is started, in order, and waited for."""

import asyncio
import getpass
import os
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg

from devstack import airflow
from devstack.kafka import EmbeddedKafka, KafkaRuntime, find_runtime, provide_runtime
from devstack.log_files import LogMark
from devstack.ports import require_free
from devstack.privileges import require_access
from devstack.process_specs import ProcessSpec
from devstack.status import READY_SECONDS, ready_problem
from devstack.supervisor import take_down
from devstack.system import System
from fraud_detector.settings import DetectorSettings
from order_api.auth import people
from order_api.auth.keys import Role, create_key, is_valid_key
from order_api.settings import ApiSettings
from order_platform.command_line.checklist import Checklist, Note
from order_platform.command_line.errors import CommandError, SettingsError
from order_platform.command_line.settings_errors import read_settings
from order_platform.kafka.topics import ensure_topics
from order_platform.postgres.migrations import upgrade
from order_platform.postgres.provisioning import AIRFLOW_DATABASE, ORDERS_DATABASE, create_roles, provision_database
from order_platform.postgres.roles import DatabaseRole
from order_platform.setting_types import check_warehouse_file
from order_platform.settings import KafkaSettings
from order_producer.settings import ProducerSettings


def check_services(system: System) -> None:
    """Raises SettingsError, which names every setting at fault that a process of the system would stop at."""
    # What the system itself says: the environment may name another broker and database, which count for nothing here.
    addresses = {
        "kafka": system.bootstrap_servers,
        "database_url": system.database_url(DatabaseRole.DETECTOR),
        "database_password": None,
    }
    problems: dict[str, None] = {}
    for kind in (DetectorSettings, ApiSettings, ProducerSettings):
        known = {name: value for name, value in addresses.items() if name in kind.model_fields}
        try:
            read_settings(kind, **known)
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if system.settings.batch:
        path = Path(airflow.batch_settings(system.paths)["ORDERWATCH_WAREHOUSE_PATH"]).expanduser()
        try:
            check_warehouse_file(path)
        except ValueError as error:
            problems[f"ORDERWATCH_WAREHOUSE_PATH: {error}"] = None
    if problems:
        raise SettingsError("\n".join(problems))


Probe = Callable[[], Awaitable[str | None]]
"""None when the process serves, else the problem."""

# One end may be bad luck, such as a port that was still in use.
EXITS_BEFORE_GIVING_UP = 3
TITLES = {"postgres": "PostgreSQL", "kafka": "Kafka", "api": "API"}


class StartFailedError(CommandError):
    """A process that does not come up."""


async def bring_up(system: System, steps: Checklist) -> bool:
    """Start what does not run and wait until everything is ready; False when all of it was.

    On failure or cancellation, what was started here is stopped again.
    """
    if system.running and not system.supervisor.is_current_release():
        with steps.step("what an earlier release started"):
            await _run_to_completion(partial(take_down, system.supervisor))
        system.running = False
    was_running = system.running
    started: list[str] = []
    try:
        await _start_all(system, steps, started)
    except BaseException:
        await _run_to_completion(partial(_stop_started, system, was_running, started))
        raise
    return bool(started)


def _stop_started(system: System, was_running: bool, started: Collection[str]) -> None:
    if was_running:
        system.supervisor.stop(started)
    else:
        take_down(system.supervisor)


async def _start_all(system: System, steps: Checklist, started: list[str]) -> None:
    runtime = await _provide_runtime(system, steps)
    system.paths.make_private()
    require_access([system.paths.home, runtime.folder, *(airflow.WRITTEN if system.settings.batch else ())])
    programs = system.process_specs(runtime)
    if not system.running:
        require_free(_required_ports(programs, system))
    await _configure(system, programs, system.kafka(runtime), steps)
    todo = [program for program in programs if system.supervisor.states()[program.name].stopped]
    if system.running:
        require_free(_required_ports(todo, system))
    postgres, kafka = system.postgres(), system.kafka(runtime)
    probes: dict[str, Probe] = {postgres.name: postgres.probe, kafka.name: kafka.probe}
    began = datetime.now(UTC)

    async def start(program: ProcessSpec) -> None:
        log = LogMark(system.paths.log(program.name))
        if program in todo:
            started.append(program.name)
            system.supervisor.start_program(program.name)
        if not program.waited_for:
            return
        probe = probes.get(program.name) or partial(_service_problem, system, program)
        if await probe() is not None:
            with steps.step(TITLES.get(program.name, program.name)):
                await _wait_ready(system, program, probe, began, log)

    servers, workers, producers, batch = (
        [program for program in programs if program.stage in stages] for stages in ((0, 1), (2,), (3,), (4,))
    )
    await _gather(map(start, servers))
    if todo:
        with steps.step("schema and topics"):
            await _gather((_prepare_database(system), ensure_topics(KafkaSettings(kafka=system.bootstrap_servers))))
    await _gather(map(start, workers))
    await _gather(map(start, producers))
    await _gather(map(start, batch))


async def _configure(system: System, programs: Iterable[ProcessSpec], kafka: EmbeddedKafka, steps: Checklist) -> None:
    """Folders, configuration files, and a supervisor that knows them."""
    system.save()
    system.supervisor.configure(programs)
    if system.running:
        # Only their configuration files are written again: the data folders are there.
        system.postgres().prepare()
        kafka.prepare()
        await _run_to_completion(system.supervisor.apply_configuration)
        return
    with steps.step("data folders"):
        await _gather(map(_run_to_completion, (system.postgres().prepare, kafka.prepare, system.supervisor.start)))


async def _provide_runtime(system: System, steps: Checklist) -> KafkaRuntime:
    cancelled = threading.Event()

    def progress(note: Note, done: int, total: int) -> None:
        note(f"{done} of {total}")
        if cancelled.is_set():
            raise CommandError("the download was interrupted")

    cache = system.settings.writable_cache()
    if (runtime := find_runtime(cache)) is not None:
        return runtime
    with steps.step("Kafka's jars") as note:
        try:
            return await asyncio.to_thread(provide_runtime, cache, partial(progress, note))
        except asyncio.CancelledError:
            cancelled.set()
            raise


async def _prepare_database(system: System) -> None:
    """Roles, databases, the schema, and API keys for people: one for reading and reviewing, one for administering."""
    administrator = system.postgres().url()
    passwords = {role: system.credentials.role_passwords[role] for role in DatabaseRole}
    await create_roles(administrator, passwords)
    await provision_database(administrator, ORDERS_DATABASE)
    if system.settings.batch:
        await provision_database(administrator, AIRFLOW_DATABASE)
    await upgrade(system.database_url(DatabaseRole.MIGRATOR))
    connection = await asyncpg.connect(system.database_url(DatabaseRole.OPERATOR))
    try:
        if not await is_valid_key(connection, system.credentials.api_key_id):
            key_id, key = await create_key(connection, "orderwatch up", "review")
            system.credentials = replace(system.credentials, api_key_id=key_id, api_key=key)
        if not await is_valid_key(connection, system.credentials.admin_key_id):
            key_id, key = await create_key(connection, "orderwatch up, admin", "admin")
            system.credentials = replace(system.credentials, admin_key_id=key_id, admin_key=key)
    finally:
        await connection.close()
    system.save()


async def invite_user(system: System) -> str:
    """A one-time link that signs the user who runs `make up` in to the workbench, as an administrator."""
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        name = f"user {os.getuid()}"
    connection = await asyncpg.connect(system.database_url(DatabaseRole.OPERATOR))
    try:
        _, code = await people.invite(connection, name, Role.ADMIN)
        return people.sign_in_link(system.api_url, code)
    finally:
        await connection.close()


async def _service_problem(system: System, program: ProcessSpec) -> str | None:
    """A service with a port is asked; one with a port of its own choice is ready when it stays up."""
    if program.port:
        return await ready_problem(program.port)
    state = system.supervisor.states()[program.name].state
    return None if state == "RUNNING" else f"is {state}"


async def _wait_ready(system: System, program: ProcessSpec, probe: Probe, began: datetime, log: LogMark) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while (problem := await probe()) is not None:
        exits = [
            each for each in system.supervisor.process_exits() if each.process == program.name and each.at >= began
        ]
        if len(exits) >= EXITS_BEFORE_GIVING_UP:
            raise _start_failed_error(log, f"{program.name} does not start: {exits[-1].reason}")
        if time.monotonic() > deadline:
            raise _start_failed_error(log, f"{program.name} is not ready after {READY_SECONDS} s: {problem}")
        await asyncio.sleep(0.05)


def _start_failed_error(log: LogMark, message: str) -> StartFailedError:
    """With the end of what the process wrote since this start: an earlier one failed for reasons of its own."""
    written = "\n".join(f"  {line}" for line in log.lines(15)) or "  (nothing)"
    return StartFailedError(
        message, f"The end of {log.path}, since this start:\n{written}\nRepair what it names, then run `make up` again."
    )


def _required_ports(programs: Iterable[ProcessSpec], system: System) -> dict[str, int]:
    ports = {program.port_setting: program.port for program in programs if program.port}
    if "ORDERWATCH_KAFKA_PORT" in ports:
        ports["ORDERWATCH_KAFKA_CONTROLLER_PORT"] = system.settings.kafka_controller_port
    return ports


async def _run_to_completion(work: Callable[[], object]) -> None:
    """Run it in a thread and wait for its end, even when cancelled: work that is still being done cannot be undone."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # the interruption is what is reported, not what it made fail
        raise


async def _gather(work: Iterable[Awaitable[object]]) -> None:
    """Await everything at once; the first failure cancels the rest and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as group:
            for awaitable in work:
                group.create_task(_await(awaitable))
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _await(awaitable: Awaitable[object]) -> None:
    await awaitable
