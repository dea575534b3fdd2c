"""Ports: a taken one is named, with the variable that moves it."""

import socket
from collections.abc import Iterator

import pytest

from devstack.ports import PortsTakenError, free_port, is_free, require_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server.getsockname()[1]


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_a_taken_port_is_named_with_its_variable(taken_port: int) -> None:
    with pytest.raises(PortsTakenError, match=f"port {taken_port} .ORDERWATCH_API_PORT. is taken") as raised:
        require_free({"ORDERWATCH_API_PORT": taken_port, "ORDERWATCH_KAFKA_PORT": free_port()})
    name, _, suggested = raised.value.advice.split()[-1].partition("=")
    assert name == "ORDERWATCH_API_PORT"
    with socket.create_server(("127.0.0.1", int(suggested))):
        pass
    assert "ORDERWATCH_KAFKA_PORT" not in raised.value.advice


def test_suggested_ports_are_free_different_and_in_range() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        taken = {"ORDERWATCH_API_PORT": first.getsockname()[1], "ORDERWATCH_KAFKA_PORT": second.getsockname()[1]}
        with pytest.raises(PortsTakenError) as raised:
            require_free(taken)
    suggested = dict(word.split("=") for word in raised.value.advice.split() if "=" in word)
    assert suggested.keys() == taken.keys()
    assert len(set(suggested.values())) == 2
    assert all(is_free(int(port)) and int(port) <= 65_535 for port in suggested.values())


def test_port_0_is_always_free(taken_port: int) -> None:
    require_free({"ORDERWATCH_DETECTOR_PORT": 0})
    assert not is_free(taken_port)
