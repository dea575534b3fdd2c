"""Switching to another ruleset version with orders in flight, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import orjson
import pytest

from decision_engine.features import ROLLOUT
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from simulation.fakes import FakeDatabase
from simulation.members import KEPT_SECONDS, VERSIONS, ActiveVersion, Member
from simulation.scenario import Sent
from simulation.scripted_random import ScriptedRandom
from simulation.verification import CheckedBroker, verify_features
from simulation.virtual_time import run_in_virtual_time


class World:
    """One member that stores slowly, so that there are always orders in flight."""

    def __init__(self) -> None:
        self.database = FakeDatabase()
        self.broker = CheckedBroker(self.database)
        self.active = ActiveVersion()
        self.member = Member(self.broker, self.database, self.active, ScriptedRandom([]), Pipeline)
        self.member.consumer.assign(range(2))
        self.member.store.seconds = 4.0
        self._sent = 0

    async def send(self, orders: int) -> None:
        """Publish an order every half a second."""
        for _ in range(orders):
            self._sent += 1
            self.broker.append_order(self._sent % 2, Sent(self._sent % 2, self._sent, 1).value())
            await asyncio.sleep(0.5)

    async def finish(self) -> list[str]:
        """Stop once all orders are decided; returns the versions that decided, in the order of deciding."""
        while len(self.database.orders) < self._sent:
            self.member.check()
            await asyncio.sleep(1)
        await self.member.stop()
        verify_features(self.database, self.broker)
        rows = sorted(self.database.orders.values(), key=lambda row: row.decided_at)
        return list(dict.fromkeys(row.ruleset_version for row in rows))


def play(scenario: Callable[[World], Awaitable[list[str]]]) -> list[str]:
    async def run() -> list[str]:
        return await scenario(World())

    return run_in_virtual_time(run())


@pytest.mark.parametrize("other", [1, 2, 3], ids=["same features", "fewer", "others"])
def test_orders_in_flight_count_in_the_histories_of_the_next_version(other: int) -> None:
    async def scenario(world: World) -> list[str]:
        await world.send(20)
        await world.active.activate(other)
        await world.send(60)
        return await world.finish()

    assert play(scenario) == [VERSIONS[0].version, VERSIONS[other].version]


@pytest.mark.parametrize("other", [1, 2, 3], ids=["same features", "fewer", "others"])
def test_a_candidate_decides_the_orders_of_some_users_until_it_is_active(other: int) -> None:
    """Each decision agrees with the version that it names, and with the one that did not decide: see verification."""

    async def scenario(world: World) -> list[str]:
        await world.send(20)
        await world.active.roll_out(other, 50)
        await world.send(60)
        await world.active.roll_out(other, 80)
        await world.send(60)
        await world.active.activate(other)
        await world.send(60)
        found = await world.finish()
        rollouts = [orjson.loads(row.features).get(ROLLOUT) for row in world.database.orders.values()]
        assert {each["percent"] for each in rollouts if each} == {50, 80}
        assert {each["other_version"] for each in rollouts if each} == {VERSIONS[0].version, VERSIONS[other].version}
        assert rollouts.count(None) > 20
        return found

    assert set(play(scenario)) == {VERSIONS[0].version, VERSIONS[other].version}


@pytest.mark.parametrize(("first", "other"), [(0, 2), (2, 0), (3, 4)], ids=["fewer", "more", "none"])
def test_a_switch_back_loads_nothing_as_the_histories_are_kept(first: int, other: int) -> None:
    async def scenario(world: World) -> list[str]:
        for version in (first, other):
            await world.active.activate(version)
            await world.send(30)
        loads = world.member.loads
        for version in (first, other, first):
            await world.active.activate(version)
            await world.send(30)
        assert world.member.loads == loads
        return await world.finish()

    assert play(scenario)[-2:] == [VERSIONS[first].version, VERSIONS[other].version]


@pytest.mark.parametrize(
    ("first", "other"),
    [(0, 1), (0, 2), (0, 3), (4, 0), (0, None)],
    ids=["same features", "fewer", "others", "none before", "a rebalance instead"],
)
def test_a_repeat_of_an_order_from_before_a_switch_is_decided_once(
    first: int, other: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat that is taken for a new order costs deciding a whole batch again, once the store has found it."""

    def fail(*_: object) -> None:
        pytest.fail("orders were decided again")

    monkeypatch.setattr(OrderEvaluator, "decide_again", fail)

    async def scenario(world: World) -> list[str]:
        await world.active.activate(first)
        await asyncio.sleep(60 + KEPT_SECONDS)
        await world.send(20)
        await asyncio.sleep(60)
        if other is None:
            await world.member.consumer.revoke()
            world.member.consumer.assign(range(2))
        else:
            await world.active.activate(other)
        await asyncio.sleep(60)
        for number in (19, 20):
            world.broker.append_order(number % 2, Sent(number % 2, number, 1).value())
        await world.send(20)
        found = await world.finish()
        assert list(world.database.outcomes.values()) == ["duplicate"] * 2
        return found

    play(scenario)


def test_after_a_while_histories_are_kept_no_longer() -> None:
    """Then a version without features decides without any, and a switch back loads them."""

    async def scenario(world: World) -> list[str]:
        for version in (3, 4):
            await world.active.activate(version)
            await world.send(20)
        loads = world.member.loads
        await world.send(int(KEPT_SECONDS) * 3)
        assert {row.seen is None for row in world.database.orders.values()} == {True, False}
        await world.active.activate(3)
        await world.send(20)
        assert world.member.loads == loads + 1
        return await world.finish()

    assert play(scenario) == [VERSIONS[version].version for version in (0, 3, 4)]


def test_a_version_that_is_replaced_while_it_is_prepared_decides_nothing() -> None:
    async def scenario(world: World) -> list[str]:
        await world.send(20)
        await world.active.activate(2)
        await asyncio.sleep(0)
        await world.active.activate(3)
        await world.send(60)
        return await world.finish()

    assert play(scenario) == [VERSIONS[0].version, VERSIONS[3].version]


def test_a_version_that_cannot_be_run_is_refused_until_another_is_active() -> None:
    async def scenario(world: World) -> list[str]:
        await world.send(10)
        await world.active.activate_content("of a newer release", "rules: [{id: a, when: new_word > 1}]")
        await world.send(10)
        assert "version of a newer release cannot be run" in str(world.member.health.unready())
        assert world.member.metrics.registry.get_sample_value("orderwatch_detector_ruleset_refused") == 1
        await world.active.activate(1)
        await world.send(40)
        assert world.member.health.unready() is None
        assert world.member.metrics.registry.get_sample_value("orderwatch_detector_ruleset_refused") == 0
        version = {"version": VERSIONS[1].version}
        assert world.member.metrics.registry.get_sample_value("orderwatch_detector_ruleset", version) == 1
        return await world.finish()

    assert play(scenario) == [VERSIONS[0].version, VERSIONS[1].version]
