"""`docker compose up` as its user has it: flags over REST, three detectors, killed containers, data that stays."""

from collections.abc import Iterator

import httpx
import pytest

from tests.containers.stack import Stack
from tests.support.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("docker")]

STAY_UP = ["redpanda", "console", "postgres", "fraud-detector", "api", "producer"]


@pytest.fixture(scope="module")
def stack(docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The containers, up, with orders flowing."""
    stack = Stack(tmp_path_factory.mktemp("stack"), ORDERWATCH_RATE="20")
    try:
        stack.up("--build")
        yield stack
    finally:
        stack.down(volumes=True)


@pytest.fixture(scope="module")
def api(stack: Stack) -> Iterator[httpx.Client]:
    """The API, with the key that was made at the start."""
    env = stack.environment()
    headers = {"Authorization": f"Bearer {env['ORDERWATCH_API_KEY']}"}
    with httpx.Client(base_url=env["ORDERWATCH_API_URL"], headers=headers, trust_env=False, timeout=30) as client:
        yield client


def _newest_flag(api: httpx.Client) -> dict[str, object]:
    """Empty when there is none, or no answer for the moment."""
    try:
        items: list[dict[str, object]] = api.get("/v1/flags", params={"limit": 1}).raise_for_status().json()["items"]
    except httpx.HTTPError:
        return {}
    return items[0] if items else {}


def test_a_flagged_order_says_why(api: httpx.Client) -> None:
    eventually(lambda: _newest_flag(api), "a flagged order")
    order = _newest_flag(api)
    assert order["status"] == "fraud"
    assert isinstance(order["hits"], list)
    assert order["hits"][0]["reason"]


def test_up_ends_with_what_to_try(stack: Stack) -> None:
    printed = stack.compose("logs", "--no-log-prefix", "cli")
    assert "Orderwatch is up" in printed
    assert "/v1/flags" in printed
    assert "ow_" not in printed, "a key in a log"


def test_who_administers_has_a_key_and_a_role_of_their_own(stack: Stack) -> None:
    listing = ("exec", "--no-TTY", "cli", "sh", "-c", ". $ORDERWATCH_HOME/admin.env && order-api keys list")
    roles = [line.split()[1] for line in stack.compose(*listing).splitlines()]
    assert sorted(roles) == ["admin", "review"]
    assert "orderwatch_operator" in stack.orderwatch("env", "--admin")
    assert "orderwatch_reader" in stack.environment()["ORDERWATCH_DATABASE_URL"]


def test_topics_show_decisions_in_readable_form(stack: Stack) -> None:
    printed = stack.orderwatch("topics")
    assert "last of decisions" in printed
    assert "approve" in printed


def test_the_console_answers(stack: Stack) -> None:
    assert httpx.get(stack.console_url, trust_env=False, timeout=60).is_success


def test_three_detectors_share_the_work(stack: Stack) -> None:
    stack.up("--scale", "fraud-detector=3")
    assert len(stack.containers("fraud-detector")) == 3

    def members() -> bool:
        described = stack.compose("exec", "--no-TTY", "redpanda", "rpk", "group", "describe", "fraud-detector")
        lines = [line.split() for line in described.splitlines()]
        return ["MEMBERS", "3"] in lines and ["STATE", "Stable"] in lines

    eventually(members, "three members in the group")
    stack.up("--scale", "fraud-detector=1")


@pytest.mark.parametrize("service", STAY_UP)
def test_what_is_killed_is_started_again(stack: Stack, service: str) -> None:
    (container,) = stack.containers(service)
    before = stack.inspect(container)["RestartCount"]
    stack.kill(container)
    eventually(lambda: stack.inspect(container)["RestartCount"] > before, f"{service} to be restarted")
    stack.wait_healthy(*STAY_UP)


def test_a_detector_that_is_cut_off_is_not_taken_for_a_healthy_one(stack: Stack) -> None:
    (container,) = stack.containers("fraud-detector")
    stack.network("disconnect", container)
    eventually(lambda: stack.health(container) == "unhealthy", "the detector to be unhealthy")
    stack.network("connect", container, "--alias", "fraud-detector")
    eventually(lambda: stack.health(container) == "healthy", "the detector to be healthy again")


def test_data_survives_down_and_up(stack: Stack, api: httpx.Client) -> None:
    eventually(lambda: _newest_flag(api), "a flagged order")
    flag = _newest_flag(api)
    stack.down()
    stack.up("--scale", "producer=0")
    assert stack.containers("producer") == []
    assert api.get(f"/v1/orders/{flag['order_id']}").raise_for_status().json()["hits"] == flag["hits"]
    assert "exactly one outcome" in stack.orderwatch("reconcile", "--wait", "60")
