"""The delivery rules of docs/delivery.md under hundreds of simulated histories.

A failure shrinks to the shortest history that shows it. ORDERWATCH_SIMULATIONS sets how many are tried.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulation.scenario import Scenario, Sent
from simulation.verification import PARTITIONS
from simulation.virtual_time import run_in_virtual_time

HISTORIES = int(os.environ.get("ORDERWATCH_SIMULATIONS", "200"))

messages = st.lists(
    st.builds(
        Sent,
        partition=st.integers(0, PARTITIONS - 1),
        order=st.one_of(st.none(), st.integers(0, 7)),
        content=st.sampled_from([0, 0, 0, 1]),
    ),
    max_size=16,
)
scripts = st.lists(st.integers(0, 255), max_size=250)


@given(sent=messages, script=scripts)
@settings(
    max_examples=HISTORIES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_nothing_is_lost_and_nothing_happens_twice(sent: list[Sent], script: list[int]) -> None:
    run_in_virtual_time(Scenario(sent, script).play())
