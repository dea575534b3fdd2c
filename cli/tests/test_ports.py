"""Ports: a taken one is named, with the variable that moves it."""

import socket
from collections.abc import Iterator

import pytest

from orderwatch.embedded.ports import PortsTakenError, free_port, is_free, require_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server.getsockname()[1]


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass


def test_a_taken_port_is_named_with_its_variable(taken_port: int) -> None:
    with pytest.raises(PortsTakenError, match=f"port {taken_port} is taken") as raised:
        require_free({"ORDERWATCH_API_PORT": taken_port, "ORDERWATCH_KAFKA_PORT": free_port()})
    assert "ORDERWATCH_API_PORT=" in raised.value.advice
    assert "ORDERWATCH_KAFKA_PORT" not in raised.value.advice


def test_port_0_is_always_free(taken_port: int) -> None:
    require_free({"ORDERWATCH_DETECTOR_PORT": 0})
    assert not is_free(taken_port)
