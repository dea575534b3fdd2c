"""`make up` interrupted at random moments by random signals, while it installs and while it starts: then it works."""

import fcntl
import itertools
import json
import os
import random
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.e2e.checkout import Checkout

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
ROUNDS = int(os.environ.get("ORDERWATCH_INTERRUPTIONS", "1"))
"""Of each kind: as many equal parts of the time get one interruption each, and the signals take turns over both."""
LONGEST_INSTALLATION, LONGEST_START = 20.0, 12.0

pytestmark = pytest.mark.e2e


def draw_interruptions(
    chance: random.Random, signals: Iterator[signal.Signals], longest: float
) -> Iterator[tuple[signal.Signals, float]]:
    """Signals and the seconds after which they are sent: each part of the time has its turn."""
    for part in chance.sample(range(ROUNDS), ROUNDS):
        number, seconds = next(signals), (part + chance.random()) * longest / ROUNDS
        print(f"{number.name} after {seconds:.3f} s")
        yield number, seconds


def interrupted(checkout: Checkout, chance: random.Random, number: signal.Signals, seconds: float) -> str:
    """Run `make up` for a time, then send the signal to all of it, or to one of its processes; what it printed."""
    whole_group = chance.random() < 0.6
    with checkout.starting("up", PRODUCER="off") as process:
        until = time.monotonic() + seconds
        while time.monotonic() < until and process.poll() is None:
            time.sleep(0.02)
        if process.poll() is None:
            below = psutil.Process(process.pid).children(recursive=True)
            if whole_group or not below:
                os.killpg(process.pid, number)
            else:
                chance.choice(below).send_signal(number)
        output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output, f"{number!r}: {output}"
    return str(output)


@pytest.fixture(scope="module")
def signals() -> Iterator[signal.Signals]:
    """Each in its turn, in another order in each run."""
    return itertools.cycle(random.sample(SIGNALS, len(SIGNALS)))


@pytest.fixture
def chance() -> random.Random:
    """Another one in each run; a failure names the seed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    return random.Random(seed)


def test_ctrl_c_in_an_installation_prints_one_line(clean_checkout: Checkout) -> None:
    with clean_checkout.starting("up") as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(1.0)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert first.startswith("Creating .venv"), first
    # What is installed is named as it begins; make adds a line of its own.
    said = [line for line in rest.splitlines() if not line.startswith(("make", "Installing"))]
    assert said == ["The installation was interrupted; run it again to complete it."]


def test_an_interrupted_installation_is_completed(
    clean_checkout: Checkout, chance: random.Random, signals: Iterator[signal.Signals]
) -> None:
    for number, seconds in draw_interruptions(chance, signals, LONGEST_INSTALLATION):
        interrupted(clean_checkout, chance, number, seconds)
        if chance.random() < 0.3:
            # As after a change of version: what was installed is changed.
            (clean_checkout.folder / ".venv" / "installed.json").unlink(missing_ok=True)
    with clean_checkout.running(PRODUCER="off") as output:
        assert "Orderwatch is up" in output
        assert clean_checkout.status()["api"]["state"] == "running"


def test_an_interrupted_first_start_is_completed(
    clean_checkout: Checkout, chance: random.Random, signals: Iterator[signal.Signals]
) -> None:
    clean_checkout.install()
    for number, seconds in draw_interruptions(chance, signals, LONGEST_START):
        interrupted(clean_checkout, chance, number, seconds)
        if chance.random() < 0.5:  # the next start initialises everything again
            clean_checkout.make("clean", YES="1")
    with clean_checkout.running(PRODUCER="off") as output:
        assert "Orderwatch is up" in output
        assert clean_checkout.status()["kafka"]["state"] == "running"


def test_the_second_of_two_at_once_waits(clean_checkout: Checkout) -> None:
    clean_checkout.install()
    # As after a change of a lock, which takes no environment from nothing.
    stamp = clean_checkout.folder / ".venv" / "installed.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "inputs": "earlier ones"}))
    another = os.open(clean_checkout.folder, os.O_RDONLY)
    fcntl.flock(another, fcntl.LOCK_EX)
    try:
        with (
            clean_checkout.starting("up", PRODUCER="off") as first,
            clean_checkout.starting("up", PRODUCER="off") as second,
        ):
            for process in (first, second):
                assert process.stdout is not None
                assert process.stdout.readline().startswith("Another installation is at work in this folder")
            fcntl.flock(another, fcntl.LOCK_UN)
            outputs = [process.communicate(timeout=500)[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], outputs
        assert ["Installing locks" in output for output in outputs].count(True) == 1, outputs
        assert all("Orderwatch is up" in output for output in outputs)
    finally:
        os.close(another)
        clean_checkout.make("clean", YES="1")
