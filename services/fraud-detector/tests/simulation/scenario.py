"""Scenarios: members of a group at work while a script kills and expels them, and fails what they depend on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fraud_detector.stream.pipeline import Pipeline
from order_contract.decision_record import encode_decision
from order_contract.label import Label, LabelEvent
from simulation.fakes import FakeDatabase
from simulation.members import EPOCH, VERSIONS, ActiveVersion, MakePipeline, Member
from simulation.scripted_random import ScriptedRandom
from simulation.verification import PARTITIONS, CheckedBroker, verify_features, verify_replay

# A member that does not finish its revocation in time is expelled and continues as a zombie.
REBALANCE_TIMEOUT = 10.0
PATIENCE = 3_600.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of a scenario: which order it claims, with which content; without an order it is bad data."""

    partition: int
    order: int | None
    content: int

    def value(self) -> bytes:
        if self.order is None:
            return b"broken"
        return (
            b'{"order_id":"o%d","user_id":"u%d","product_id":"p1","quantity":%d,"amount":1,"payment_method":"OVO",'
            b'"country":"ID","created_date":"2026-11-22T%02d:00:00"}'
            % (self.order, self.order % 2, self.content + 1, 10 - self.order % 3)
        )


class Labelled(NamedTuple):
    """A label of a scenario: on which order, which may be unknown, what it says."""

    order: int
    label: Label

    def event(self) -> LabelEvent:
        return LabelEvent(f"o{self.order}", self.label, "test", None, EPOCH, None)


class Scenario:
    """A run of the world. `play` raises AssertionError when something is lost, doubled, or stuck."""

    def __init__(
        self,
        sent: Sequence[Sent],
        script: Sequence[int],
        make: MakePipeline = Pipeline,
        *,
        labels: Sequence[Labelled] = (),
    ) -> None:
        self._sent = list(sent)
        self._labels = list(labels)
        self._random = ScriptedRandom(script)
        self._make = make
        self.database = FakeDatabase()
        self.broker = CheckedBroker(self.database)
        self._active = ActiveVersion()
        self._members: list[Member] = []

    async def play(self) -> None:
        try:
            await self._start_member()
            waiting, labels = list(self._sent), list(self._labels)
            while waiting:
                await self._something_happens()
                for labelled in labels[: self._random.choose(3) if labels else 0]:
                    self.broker.append_label(labelled.event())
                    labels.remove(labelled)
                for sent in waiting[: 1 + self._random.choose(4)]:
                    self.broker.append_order(sent.partition, sent.value())
                    waiting.remove(sent)
                await self._random.pause()
            await self._something_happens()
            await self._settle()
            self._verify()
        finally:
            for member in self._members:
                member.task.cancel()
            await asyncio.gather(*(member.task for member in self._members), return_exceptions=True)

    async def _something_happens(self) -> None:
        match self._random.choose(13):
            case 5 if len(self._members) < 3:
                await self._start_member()
            case 6:
                await self._lose_member(kill=True)
            case 7:
                await self._lose_member(kill=False)
            case 8:
                await self._throw_out()
            case 9 | 10:
                await self._active.activate(self._random.choose(len(VERSIONS)))
            case 11 | 12:
                await self._active.roll_out(self._random.choose(len(VERSIONS)), 1 + self._random.choose(99))
        for member in self._members:
            member.check()

    async def _start_member(self) -> None:
        self._members.append(Member(self.broker, self.database, self._active, self._random, self._make))
        await self._rebalance()

    async def _lose_member(self, *, kill: bool) -> None:
        member = self._members.pop(self._random.choose(len(self._members)))
        await (member.kill() if kill else member.stop())
        if not self._members:
            await self._random.pause()
            await self._start_member()
        else:
            await self._rebalance()

    async def _throw_out(self) -> None:
        """A member is silent for too long: its partitions move while it works on, unknowing."""
        zombie = self._members[self._random.choose(len(self._members))]
        others = [member for member in self._members if member is not zombie]
        if not others:
            return
        await self._rebalance(others)
        await self._random.pause()
        await self._rebalance()

    async def _rebalance(self, members: list[Member] | None = None) -> None:
        """Every member gives its partitions back, then gets a share; one that takes too long remains as a zombie."""
        members = list(self._members if members is None else members)
        revocations = {member: asyncio.create_task(member.consumer.revoke()) for member in members}
        done, late = await asyncio.wait(revocations.values(), timeout=REBALANCE_TIMEOUT)
        for task in done:
            task.result()
        assert not late, "a revocation took longer than its budget"
        await self._random.pause()
        for number, member in enumerate(members):
            member.consumer.assign(range(number, PARTITIONS, len(members)))

    async def _settle(self) -> None:
        """Let every dependency recover, and wait until all is committed."""
        self._random.calm()
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not self.broker.finished:
            for member in self._members:
                member.check()
            assert asyncio.get_running_loop().time() < deadline, f"stuck at {self.broker.committed}"
            await asyncio.sleep(1)

    def _verify(self) -> None:
        """Nothing lost, nothing twice, and everything published as stored."""
        for partition, log in enumerate(self.broker.orders):
            for message in log:
                origin = (partition, message.offset)
                outcome = self.database.outcome(origin)
                assert len(outcome) == 1, f"{origin} has outcomes {outcome}"
                if message.value == b"broken":
                    assert outcome == ["dead-letter"]
        published: dict[str, bytes] = {}
        for order_id, value in self.broker.decisions:
            assert published.setdefault(order_id, value) == value, (
                f"two different decisions of {order_id} were published"
            )
        assert published == {row.order_id: encode_decision(row) for row in self.database.orders.values()}
        assert set(self.broker.dead_letters) == {
            origin for origin, outcome in self.database.outcomes.items() if outcome != "duplicate"
        }
        claimed = {f"o{sent.order}" for sent in self._sent if sent.order is not None}
        assert set(self.database.orders) == claimed
        assert not self.database.gaps
        verify_features(self.database, self.broker)
        verify_replay(self.database, self.broker)
