"""Label features under random histories: labels before, beside and after their orders, while members come and go."""

import os
import random

import orjson

from order_contract.label import Label
from simulation.scenario import Labelled, Scenario, Sent
from simulation.verification import PARTITIONS
from simulation.virtual_time import run_in_virtual_time

HISTORIES = int(os.environ.get("ORDERWATCH_SIMULATIONS", "200")) // 10
ORDERS = 12


def play(seed: int) -> int:
    """Play a history; returns how many decisions counted labels."""
    chance = random.Random(seed)
    sent = [
        Sent(chance.randrange(PARTITIONS), chance.randrange(ORDERS), chance.choice((0, 0, 0, 1))) for _ in range(30)
    ]
    labels = [Labelled(chance.randrange(ORDERS + 1), chance.choice(list(Label))) for _ in range(30)]
    # A turn of the loop, or a short pause, most of the time; a failure or a long pause at times.
    script = [chance.choice((0, 0, 0, 1, 2, 2, 3, chance.randrange(256))) for _ in range(4_000)]
    scenario = Scenario(sent, script, labels=labels)
    run_in_virtual_time(scenario.play())
    return sum(orjson.loads(row.features).get("share") not in {None, 0} for row in scenario.database.orders.values())


def test_labels_count_from_the_moment_they_are_seen() -> None:
    counted = [play(seed) for seed in range(HISTORIES)]
    assert sum(counted) > HISTORIES, "the histories show nothing: hardly any order saw a label"
