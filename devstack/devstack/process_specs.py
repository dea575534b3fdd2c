"""Specifications of the processes of the embedded system: command, ports, order and limits."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.code_version import code_version
from devstack.kafka import EmbeddedKafka
from devstack.paths import SystemPaths
from devstack.postgres import EmbeddedPostgres
from devstack.server import LAUNCHER
from devstack.settings import EmbeddedSettings

CODE_VERSION = "DEVSTACK_CODE_VERSION"
"""Variable of the services that they do not read."""
LABEL_DELAY = 60
"""Seconds after which the embedded producer labels its own fraud, on average: soon enough to be seen."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process: how to run and stop it, and where it listens."""

    name: str
    command: tuple[str, ...]
    stage: int
    """Started in ascending order, stopped in descending order; those of one stage at once."""
    stop_seconds: int
    """How long it may take to stop before it is killed."""
    port: int
    """Where it listens; 0 is a port of its own choice."""
    port_setting: str
    start_seconds: int = 1
    """A process that ends within that time is restarted with growing pauses, else at once."""
    stop_signal: str = "TERM"
    has_readyz: bool = False
    waited_for: bool = True
    """Whether the system counts as up only when this is ready."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Where it is started; None is where the supervisor was."""


def server_specs(postgres: EmbeddedPostgres, kafka: EmbeddedKafka) -> tuple[ProcessSpec, ...]:
    """The database and the broker, which everything else needs."""
    return (
        # Their ports are in their configuration files; here too, so that the supervisor sees a change.
        ProcessSpec(
            postgres.name,
            tuple(postgres.command()),
            stage=0,
            stop_seconds=60,
            port=postgres.port,
            port_setting="ORDERWATCH_POSTGRES_PORT",
            stop_signal=postgres.stop_signal.name.removeprefix("SIG"),
            environment={"ORDERWATCH_POSTGRES_PORT": str(postgres.port)},
            folder=postgres.home,
        ),
        ProcessSpec(
            kafka.name,
            tuple(kafka.command()),
            stage=1,
            stop_seconds=30,
            port=kafka.port,
            port_setting="ORDERWATCH_KAFKA_PORT",
            start_seconds=3,  # what it takes to find that it cannot run, and costs a processor
            environment={
                "ORDERWATCH_KAFKA_PORT": str(kafka.port),
                "ORDERWATCH_KAFKA_CONTROLLER_PORT": str(kafka.controller_port),
            },
        ),
    )


def batch_specs(settings: EmbeddedSettings, paths: SystemPaths) -> tuple[ProcessSpec, ...]:
    """Airflow's processes, which prepare themselves and are not waited for: the stream comes first."""
    if not settings.batch:
        return ()

    def component_spec(name: str, *options: str, port: int = 0) -> ProcessSpec:
        launch = (*LAUNCHER, "--signal", "TERM", "--env-file", str(paths.airflow_env), "--", sys.executable)
        return ProcessSpec(
            f"airflow-{name}",
            (*launch, "-P", "-m", "devstack.airflow", name, *options),
            stage=4,
            stop_seconds=30,
            port=port,
            port_setting="ORDERWATCH_AIRFLOW_PORT",
            waited_for=False,
            # The file with its settings is not looked at by the supervisor; what moves it stands here, too.
            environment={f"ORDERWATCH_{field.upper()}": str(value) for field, value in settings.ports().items()},
        )

    return (
        # It would serve the logs of its tasks on all addresses; the API server reads them where they lie.
        component_spec("scheduler", "--skip-serve-logs"),
        component_spec("dag-processor"),
        # No task defers; without it the home page would show a part that is down.
        component_spec("triggerer", "--skip-serve-logs", "--capacity", "1"),
        component_spec("api-server", port=settings.airflow_port),
    )


def service_specs(settings: EmbeddedSettings, paths: SystemPaths) -> tuple[ProcessSpec, ...]:
    """Detectors, API and, unless its rate is 0, the producer."""
    # Each service knows all ports and the version of its code: when one changes, the supervisor restarts the services.
    ports = {f"ORDERWATCH_{name.upper()}": str(value) for name, value in settings.ports().items()}
    environment = {**ports, CODE_VERSION: code_version()}

    def service_spec(
        name: str, *command: str, kind: str, stage: int, stop_seconds: int, port: int, port_setting: str, **more: str
    ) -> ProcessSpec:
        return ProcessSpec(
            name,
            (*LAUNCHER, "--env-file", str(paths.process_env(kind)), "--", sys.executable, "-P", "-m", *command),
            stage=stage,
            stop_seconds=stop_seconds,
            port=port,
            port_setting=port_setting,
            has_readyz=True,
            environment={**environment, port_setting: str(port), **more},
        )

    programs = [
        service_spec(
            "detector" if number == 1 else f"detector-{number}",
            *("fraud_detector", "run"),
            kind="detector",
            stage=2,
            stop_seconds=20,
            port=settings.detector_port if number == 1 else 0,
            port_setting="ORDERWATCH_DETECTOR_PORT",
            ORDERWATCH_MARKETPLACE_PACK=settings.marketplace_pack.value,
        )
        for number in range(1, settings.detectors + 1)
    ]
    programs.append(
        service_spec(
            "api",
            *("order_api", "serve"),
            kind="api",
            stage=2,
            stop_seconds=15,
            port=settings.api_port,
            port_setting="ORDERWATCH_API_PORT",
            ORDERWATCH_MARKETPLACE_PACK=settings.marketplace_pack.value,
        )
    )
    if settings.producer_rate > 0:
        programs.append(
            service_spec(
                "producer",
                *("order_producer", "generate", "--rate", f"{settings.producer_rate:g}"),
                *("--label-delay", str(LABEL_DELAY)),
                kind="producer",
                stage=3,
                stop_seconds=15,
                port=settings.producer_port,
                port_setting="ORDERWATCH_PRODUCER_PORT",
            )
        )
    return tuple(programs)
