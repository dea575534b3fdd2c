"""Ports of test runs: what one process was given, no other is, as long as the first lives."""

import subprocess
import sys

import pytest

from devstack import ports
from tests.support.ports import free_port


def test_a_given_port_is_given_to_no_other_process_until_its_own_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import sys; from tests.support.ports import free_port; print(free_port(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        taken = int(other.stdout.readline())
        own = free_port()
        offered = iter([taken, own, taken, _other_than(taken, own)])
        monkeypatch.setattr(ports, "free_port", lambda: next(offered))
        assert free_port() not in {taken, own}
        assert other.stdin is not None
        other.stdin.close()
    monkeypatch.setattr(ports, "free_port", lambda: taken)
    assert free_port() == taken


def _other_than(*taken: int) -> int:
    while (port := ports.free_port()) in taken:
        pass
    return port
