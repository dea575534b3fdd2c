"""From a clean clone to a flagged order over REST, as the README has it, and what an operator does from there."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.checkout import Checkout
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SERVICES = {"postgres", "kafka", "detector", "api", "producer"}


@pytest.fixture(scope="module")
def checkout(clean_checkout: Checkout) -> Iterator[Checkout]:
    """A checkout whose system is up."""
    with clean_checkout.running(RATE="20") as printed:
        assert "Orderwatch is up" in printed
        yield clean_checkout


@pytest.fixture
def api(checkout: Checkout) -> Iterator[httpx.Client]:
    """The API, with the key that `make up` wrote down."""
    headers = {"Authorization": f"Bearer {checkout.env['ORDERWATCH_API_KEY']}"}
    with httpx.Client(
        base_url=checkout.env["ORDERWATCH_API_URL"], headers=headers, trust_env=False, timeout=60
    ) as client:
        yield client


def test_a_flagged_order_says_why(api: httpx.Client) -> None:
    def flags() -> list[dict[str, object]]:
        answer = api.get("/v1/flags", params={"limit": 1}).raise_for_status().json()
        items: list[dict[str, object]] = answer["items"]
        return items

    eventually(flags, "a flagged order")
    (order,) = flags()
    assert order["status"] == "fraud"
    assert isinstance(order["hits"], list)
    assert order["hits"][0]["reason"]


def test_up_again_says_so_and_changes_nothing(checkout: Checkout) -> None:
    before = checkout.status()
    assert before.keys() == SERVICES
    assert "Orderwatch is up already" in checkout.make("up")
    assert {name: each["pid"] for name, each in checkout.status().items()} == {
        name: each["pid"] for name, each in before.items()
    }


def test_topics_show_decisions_in_readable_form(checkout: Checkout) -> None:
    printed = checkout.make("topics")
    assert "last of decisions" in printed
    assert "approve" in printed


def test_a_second_detector_shares_the_work(checkout: Checkout) -> None:
    checkout.make("up", DETECTORS="2")
    before = checkout.status()
    assert before.keys() == SERVICES | {"detector-2"}
    # As an upgrade does it: newer code restarts the services, and not the servers.
    with (checkout.folder / "services/api/order_api/app.py").open("a") as module:
        module.write("# newer\n")
    checkout.make("up", DETECTORS="1")
    after = checkout.status()
    assert after.keys() == SERVICES
    assert {name for name in SERVICES if after[name]["pid"] == before[name]["pid"]} == {"postgres", "kafka"}


@pytest.mark.parametrize("service", ["detector", "postgres", "kafka"])
def test_what_is_killed_is_restarted_and_reported(checkout: Checkout, service: str) -> None:
    killed = checkout.status()[service]
    os.kill(killed["pid"], signal.SIGKILL)

    # Asked of the supervisor first: a command takes half a second of work to start.
    eventually(lambda: checkout.pids()[service] not in {None, killed["pid"]}, f"{service} to be restarted")
    eventually(lambda: all(each["state"] == "running" for each in checkout.status().values()), "all to run")
    assert checkout.status()[service]["restarts"] > killed["restarts"]
    assert "terminated by SIGKILL" in checkout.make("status")
    assert f"exited: {service} (terminated by SIGKILL" in checkout.make("logs", SERVICE="supervisor")


def test_a_replayed_file_is_recorded_line_by_line(checkout: Checkout, api: httpx.Client, tmp_path: Path) -> None:
    order = (
        '{"order_id":"seed-%d","user_id":"u1","product_id":"p1","quantity":1,"amount":"Rp.350,000,000",'
        '"payment_method":"DANA","country":"ID","created_date":"2026-11-20T12:00:00"}'
    )
    lines = [order % 1, order % 2, order % 1, "{broken", ""]
    (tmp_path / "orders.jsonl").write_text("\n".join(lines) + "\n")
    checkout.make("replay", FILE=str(tmp_path / "orders.jsonl"))
    answer = api.get("/v1/orders/seed-2", params={"wait": "30s"}, timeout=60).raise_for_status().json()
    assert answer["status"] == "fraud"
    # Of the stream alone: `make reconcile` compares the warehouse as well, where the batch side is installed.
    assert "Each consumed message has exactly one outcome" in checkout.orderwatch("reconcile", "--wait", "120")


def test_data_survives_down_and_up_and_nothing_is_left_running(checkout: Checkout, api: httpx.Client) -> None:
    (flag,) = api.get("/v1/flags", params={"limit": 1}).raise_for_status().json()["items"]
    processes = checkout.processes()
    assert "Stopped" in checkout.make("down")
    assert not [process for process in processes if process.is_running()]
    assert "nothing to stop" in checkout.make("down")
    assert "not up" in checkout.make("status")
    checkout.make("up", PRODUCER="off")
    assert checkout.status().keys() == SERVICES - {"producer"}
    assert api.get(f"/v1/orders/{flag['order_id']}").raise_for_status().json()["hits"] == flag["hits"]
    assert "exactly one outcome" in checkout.orderwatch("reconcile", "--wait", "120")


def test_a_taken_port_is_named_with_the_variable_that_moves_it(checkout: Checkout) -> None:
    checkout.make("down")
    port = int(checkout.env["ORDERWATCH_API_URL"].rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        printed = checkout.make("up", fails=True)
    assert f"port {port} (ORDERWATCH_API_PORT) is taken" in printed
    assert "ORDERWATCH_API_PORT=" in printed
    assert checkout.processes() == []
