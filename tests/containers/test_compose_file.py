"""What deploy/ promises, checked without an engine."""

import re
from typing import Any

import pytest

from fraud_detector.settings import DetectorSettings
from order_api.settings import ApiSettings
from order_platform.postgres.roles import DatabaseRole
from order_producer.settings import ProducerSettings
from tests.containers.engine import COMPOSE_FILE, DOCKERFILE, ROOT, services, upstream_images

SERVICES = services()
ONCE = {"password", "roles", "migrate", "credentials", "airflow-credentials", "airflow-migrate", "batch"}
# It writes its configuration into its own image's folder when it starts.
WRITABLE = {"redpanda"}
PROFILES = {"batch": ["on-demand"]}
BATCH_SIDE = {
    "airflow-migrate", "airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "batch",
}  # fmt: skip
PORTS = {"api": 8000, "console": 8090, "redpanda": 19092, "postgres": 5433, "airflow-api-server": 8080}


@pytest.mark.parametrize(("name", "service"), SERVICES.items())
def test_a_service_can_do_no_more_than_it_must(name: str, service: dict[str, Any]) -> None:
    user = int(service["user"].partition(":")[0])
    assert user > 0
    assert service["read_only"] is (name not in WRITABLE)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert "container_name" not in service, "so that it can be scaled"


@pytest.mark.parametrize(("name", "service"), SERVICES.items())
def test_services_have_health_checks_and_are_started_again(name: str, service: dict[str, Any]) -> None:
    if name in ONCE:
        assert service["restart"] in {"no", "on-failure:5"}
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


def test_a_service_holds_the_password_of_its_own_role_alone() -> None:
    wanted = {
        "secrets": {"password", "postgres", "roles"},
        "role-migrator": {"migrate"},
        "role-detector": {"fraud-detector"},
        "role-api": {"api"},
        "role-batch": {"airflow-scheduler", "airflow-dag-processor", "batch"},
        "role-reader": {"credentials"},
        "role-operator": {"credentials"},
        "role-airflow": {"airflow-credentials"},
    }
    for volume, holders in wanted.items():
        prepare = set() if volume == "secrets" else {"password", "roles"}
        mounting = {name for name, service in SERVICES.items() if _mounts(service, volume)}
        assert mounting == holders | prepare, volume


def test_a_service_logs_in_as_its_own_role() -> None:
    users = {}
    for name, service in SERVICES.items():
        files = [file for file in service.get("env_file", []) if isinstance(file, str) and file.startswith("roles/")]
        for file in files:
            text = (COMPOSE_FILE.parent / file).read_text()
            users[name] = re.findall(r"^ORDERWATCH_DATABASE_URL=postgresql://(\w+)@", text, re.MULTILINE)
    batch = {name: [DatabaseRole.BATCH] for name in SERVICES if name in BATCH_SIDE}
    assert users == {
        "roles": ["orderwatch"],
        "migrate": [DatabaseRole.MIGRATOR],
        "fraud-detector": [DatabaseRole.DETECTOR],
        "api": [DatabaseRole.API],
        "credentials": [DatabaseRole.OPERATOR],
        "airflow-credentials": [DatabaseRole.AIRFLOW],
        **batch,
    }


def test_postgres_is_not_asked_to_wait_for_its_clients() -> None:
    assert SERVICES["postgres"]["stop_signal"] == "SIGINT"


def _mounts(service: dict[str, Any], volume: str) -> bool:
    return any(mount.startswith(f"{volume}:") for mount in service.get("volumes", []))


def test_services_wait_for_what_they_need() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ONCE else "service_healthy"
            assert how["condition"] == wanted, f"{name} -> {needed}"


def test_ports_are_the_usual_ones_on_loopback_and_can_be_moved() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published.keys() == PORTS.keys()
    for name, (port,) in published.items():
        assert re.fullmatch(rf"127\.0\.0\.1:\$\{{ORDERWATCH_[A-Z]+_PORT:-{PORTS[name]}\}}:\d+", port)


def test_upstream_images_are_pinned_to_a_release() -> None:
    for image in upstream_images():
        assert re.search(r":v?\d+\.\d+", image), image


def test_nothing_is_killed_before_its_drain_budget_is_over() -> None:
    drain = max(float(kind.model_fields["drain_seconds"].default) for kind in (DetectorSettings, ProducerSettings))
    for name in ("fraud-detector", "producer", "api"):
        grace = re.fullmatch(r"\$\{ORDERWATCH_STOP_GRACE:-(\d+)s\}", SERVICES[name]["stop_grace_period"])
        assert grace is not None
        assert int(grace[1]) > drain


def test_secrets_are_in_files() -> None:
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            if re.search(r"PASSWORD|SECRET|_KEY|_CONN", variable):
                assert variable.endswith(("_FILE", "_CMD")), f"{name}: {variable}"


def test_airflow_comes_by_its_profile_alone() -> None:
    for name, service in SERVICES.items():
        assert service.get("profiles", []) == (["batch"] if name.startswith("airflow-") else PROFILES.get(name, []))
        for needed, how in service.get("depends_on", {}).items():
            # What always runs cannot depend on what may not be there.
            assert "profiles" in service or "profiles" not in SERVICES[needed] or how["required"] is False


def test_the_image_builds_on_old_engines() -> None:
    text = DOCKERFILE.read_text()
    assert not re.search(r"^# syntax=|--link|--parents|--exclude|<<|@sha256:|https?://", text, re.MULTILINE)


def test_the_example_of_settings_names_settings() -> None:
    compose = COMPOSE_FILE.read_text()
    # dbt and order-batch have environments of their own, so these are read as they are written.
    profiles, batch = ((ROOT / path).read_text() for path in ("dbt/profiles.yml", "airflow/order_batch/settings.py"))
    fields = [name for kind in (DetectorSettings, ApiSettings) for name in kind.model_fields]
    fields += re.findall(r"^    (\w+): .* = Field\(", batch, re.MULTILINE)
    known = {f"ORDERWATCH_{name.upper()}" for name in fields} | set(re.findall(r"env_var\('(\w+)'", profiles))
    known |= {"COMPOSE_PROFILES", "GOOGLE_APPLICATION_CREDENTIALS"}
    for name, default in re.findall(r"^#(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        assert f"${{{name}:-{default}}}" in compose or name in known, name
