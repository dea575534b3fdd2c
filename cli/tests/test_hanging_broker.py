"""Commands end and say why when the broker hangs: it can be connected to, and nothing comes."""

import socket

import pytest

from order_platform.command_line.errors import UnavailableError
from order_platform.kafka import startup
from tests.support.command import Orderwatch


@pytest.mark.parametrize("command", [("lag",), ("lag", "--watch"), ("topics",), ("topics", "orders", "--follow")])
def test_a_broker_that_hangs_is_named(
    command: tuple[str, ...],
    orderwatch: Orderwatch,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    monkeypatch.setattr(startup, "START_SECONDS", 0.3)
    monkeypatch.setattr(startup, "GRACE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        address = f"127.0.0.1:{hanging.getsockname()[1]}"
        monkeypatch.setenv("ORDERWATCH_KAFKA", address)
        done = orderwatch(*command)

    assert isinstance(done.exception, UnavailableError)
    assert str(done.exception) == (
        f"the broker at {address} does not respond: KafkaTimeoutError: no response for 0.3 s"
    )
    assert not [str(each.message) for each in recwarn if "Unclosed" in str(each.message)]
