"""`docker compose --profile batch up`: Airflow and dbt in containers, from past orders to marts over the API."""

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.containers.airflow_pages import credentials, logged_in
from tests.containers.stack import Stack
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.usefixtures("docker"),
    pytest.mark.skipif(
        os.environ.get("ORDERWATCH_TEST_CONTAINERS") != "always",
        reason="building its image takes minutes: ORDERWATCH_TEST_CONTAINERS=always",
    ),
]

AIRFLOW = ["airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]
DAGS = {"catalog", "warehouse_load", "transform", "reconcile", "quality"}
MARTS = {
    "mart_critical_hour_payments",
    "mart_most_fraudulent_users",
    "mart_product_payment_methods",
    "mart_rule_performance",
    "mart_user_blacklist_status",
    "mart_user_product_habits",
}
# The first is loaded by Airflow, the second by hand, the third after everything was taken down.
FIRST, SECOND, THIRD = "2026-01-30", "2026-01-31", "2026-02-01"
GENERATED = 3_000


@pytest.fixture(scope="module")
def stack(docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The containers with the batch side, up, and orders of three past days stored."""
    stack = Stack(tmp_path_factory.mktemp("batch"), COMPOSE_PROFILES="batch", ORDERWATCH_PRODUCERS="0")
    try:
        stack.up("--build")
        days = ("--start", FIRST, "--days", "3", "--count", str(GENERATED))
        stack.run("producer", "order-producer", "generate", *days)
        assert "exactly one outcome" in stack.orderwatch("reconcile", "--wait", "60")
        yield stack
    finally:
        stack.down(volumes=True)


def ordered(stack: Stack) -> int:
    """How many orders the mart of users counts, out of all that were loaded; every mart has rows."""
    env = stack.environment()
    headers = {"Authorization": f"Bearer {env['ORDERWATCH_API_KEY']}"}
    with httpx.Client(base_url=env["ORDERWATCH_API_URL"], headers=headers, trust_env=False, timeout=30) as api:
        published = {mart["name"]: mart["rows"] for mart in api.get("/v1/marts").raise_for_status().json()["items"]}
        assert published.keys() == MARTS
        assert all(published.values())
        orders: list[int] = []
        parameters = {"limit": "1000"}
        while True:
            page = api.get("/v1/marts/mart_user_blacklist_status", params=parameters).raise_for_status().json()
            orders += (user["total_orders"] for user in page["items"])
            if page["next"] is None:
                return sum(orders)
            parameters["cursor"] = page["next"]


def test_the_pages_show_all_dags_and_the_plugin(stack: Stack) -> None:
    with logged_in(stack) as airflow:
        dags = airflow.get("dags")["dags"]
        assert {dag["dag_id"] for dag in dags if not dag["is_paused"]} == DAGS
        assert airflow.get("importErrors")["total_entries"] == 0
        assert "orderwatch" in {plugin["name"] for plugin in airflow.get("plugins")["plugins"]}
        assert airflow.get("plugins/importErrors")["total_entries"] == 0
        assert airflow.get("pools/warehouse")["slots"] == 1


def test_up_says_where_the_pages_are_and_no_log_holds_the_password(stack: Stack) -> None:
    printed = stack.compose("logs", "--no-log-prefix", "cli")
    assert stack.airflow_url in printed
    assert "airflow-api-server cat /run/airflow/passwords.json" in printed
    (password,) = credentials(stack).values()
    assert password not in stack.compose("logs")


def test_a_stranger_is_not_let_in(stack: Stack) -> None:
    wrong = {"username": "admin", "password": "admin"}
    assert httpx.post(f"{stack.airflow_url}/auth/token", json=wrong, trust_env=False, timeout=60).status_code == 401
    assert httpx.get(f"{stack.airflow_url}/api/v2/dags", trust_env=False, timeout=60).status_code == 401


def test_airflow_loads_a_day_and_builds_the_marts(stack: Stack) -> None:
    with logged_in(stack) as airflow:
        airflow.trigger("warehouse_load", FIRST)
        airflow.wait_success("warehouse_load", FIRST)
        airflow.wait_success("transform", FIRST)
    assert 0 < ordered(stack) < GENERATED


def test_a_day_can_be_loaded_by_hand(stack: Stack) -> None:
    before = ordered(stack)
    printed = stack.run("batch", "run", SECOND)
    assert all(name in printed for name in MARTS)
    assert before < ordered(stack) < GENERATED
    shown = stack.compose("exec", "--no-TTY", "airflow-scheduler", "order-batch", "reconcile", f"{FIRST}..{SECOND}")
    assert shown.count("agrees") >= 2


def test_what_is_killed_is_started_again(stack: Stack) -> None:
    restarts = {container: stack.inspect(container)["RestartCount"] for container in stack.containers(*AIRFLOW)}
    for container in restarts:
        stack.kill(container)
    eventually(
        lambda: all(stack.inspect(container)["RestartCount"] > count for container, count in restarts.items()),
        "all to be restarted",
    )
    stack.wait_healthy(*AIRFLOW)


def test_a_scheduler_that_is_cut_off_is_not_taken_for_a_healthy_one(stack: Stack) -> None:
    (container,) = stack.containers("airflow-scheduler")
    stack.network("disconnect", container)
    eventually(lambda: stack.health(container) != "healthy", "the scheduler to be unhealthy", within=180)
    stack.network("connect", container, "--alias", "airflow-scheduler")
    stack.wait_healthy(*AIRFLOW)


def test_warehouse_and_history_survive_down_and_up(stack: Stack) -> None:
    before = credentials(stack)
    for service in AIRFLOW:
        (container,) = stack.containers(service)
        stack.compose("stop", service)
        assert stack.inspect(container)["State"]["ExitCode"] == 0, f"{service} did not stop in order"
    stack.down()
    stack.up()
    assert credentials(stack) == before
    with logged_in(stack) as airflow:
        assert airflow.states("transform", FIRST) == ["success"]
    stack.run("batch", "run", THIRD)
    assert ordered(stack) == GENERATED
