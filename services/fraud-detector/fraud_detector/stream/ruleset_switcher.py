"""Switching to another ruleset version while orders are decided."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from decision_engine.rollout import DecidingRulesets
from decision_engine.ruleset import RulesetError
from fraud_detector.stream.evaluator_switch import EvaluatorSwitch
from fraud_detector.stream.health import Check, HealthState, retry_while_unavailable
from fraud_detector.stream.history_follower import HistoryFollower
from fraud_detector.stream.metrics import DetectorMetrics
from fraud_detector.stream.order_evaluator import OrderEvaluator
from fraud_detector.stream.pipeline import Pipeline
from fraud_detector.stream.ports import ActiveRulesets, DecisionStore, RulesetVersions
from order_contract.ruleset_pointer import RulesetPointer

log = structlog.get_logger()

Result = TypeVar("Result")


KEPT_SECONDS: Final = 3_600.0
"""How long after the latest switch the histories of the versions before are kept for a switch back."""

KEYS_AT_ONCE: Final = 500


class Prepared(NamedTuple):
    """What decides: the rulesets, their evaluator, and what its history features follow.

    `begin` is called when it begins to decide with the follower of what decided before. `without_history` prepares
    rulesets that need no histories, and have some only while those of earlier versions are kept.
    """

    rulesets: DecidingRulesets
    evaluator: OrderEvaluator
    follower: HistoryFollower | None
    begin: Callable[[], None] = lambda: None
    without_history: Callable[[], "Prepared"] | None = None


Read = Callable[[ActiveRulesets], Awaitable[DecidingRulesets]]
"""The rulesets that decide when these are active. Raises RulesetError when this detector cannot run them."""


class Deciding(Protocol):
    """What decides while rulesets are prepared: the pipeline."""

    @property
    def is_idle(self) -> bool: ...

    def at_rest(self, call: Callable[[], Result], /) -> Awaitable[Result]: ...


Prepare = Callable[[DecidingRulesets, Prepared, Deciding], Awaitable[Prepared]]
"""Prepares rulesets, beside what decides now; histories are taken over where features are the same, else loaded."""


class RulesetSwitcher:
    """Follows what is active: another version or roll-out is read, prepared in the background, and takes over between
    batches.

    One that cannot be run is refused, and the present one decides on. While one is prepared another may become active:
    then that one is prepared. The histories of earlier versions are kept for `kept_seconds` after the latest switch.
    """

    def __init__(
        self,
        versions: RulesetVersions,
        pipeline: Pipeline,
        store: DecisionStore,
        *,
        read: Read,
        prepare: Prepare,
        metrics: DetectorMetrics,
        health: HealthState,
        kept_seconds: float = KEPT_SECONDS,
    ) -> None:
        self._versions = versions
        self._pipeline = pipeline
        self._store = store
        self._current: Prepared
        self._followers: asyncio.TaskGroup
        self._read = read
        self._prepare = prepare
        self._metrics = metrics
        self._health = health
        self._kept_seconds = kept_seconds

    async def run(self, active: RulesetPointer, prepared: Prepared) -> None:
        """Follow until cancelled. `active` is what was active when `prepared` was."""
        self._current = prepared
        async with asyncio.TaskGroup() as group:
            self._followers = group
            while True:
                found = await self._wait_for_other(active)
                while (other := await self._switch_unless_replaced(found)) is not None:
                    found = other
                active = found.pointer

    async def _wait_for_other(self, active: RulesetPointer) -> ActiveRulesets:
        """What becomes active next; in the meantime the histories of earlier versions are given up in time."""
        try:
            async with asyncio.timeout(self._kept_seconds):
                return await self._versions.wait_for_other(active)
        except TimeoutError:
            await self._discard_kept()
        return await self._versions.wait_for_other(active)

    async def _discard_kept(self) -> None:
        current = self._current
        if (history := current.evaluator.history) is None:
            return
        for number, _ in enumerate(history.discard_kept()):
            if number % KEYS_AT_ONCE == 0:
                await asyncio.sleep(0)
        if current.without_history is not None:
            await self._let_decide(current.without_history())

    async def _switch_unless_replaced(self, found: ActiveRulesets) -> ActiveRulesets | None:
        """Switch to what is active; returns what became active before this was ready."""
        switching = asyncio.create_task(self._switch(found), name="switch ruleset")
        waiting = asyncio.create_task(self._versions.wait_for_other(found.pointer), name="wait for ruleset")
        try:
            await asyncio.wait((switching, waiting), return_when=asyncio.FIRST_COMPLETED)
            if switching.done():
                switching.result()
                return None
            return waiting.result()
        finally:
            for task in (switching, waiting):
                task.cancel()
            await asyncio.gather(switching, waiting, return_exceptions=True)
            if (history := self._current.evaluator.history) is not None:
                history.discard_prepared()
            self._health.recovered(Check.LOADING)

    async def _switch(self, found: ActiveRulesets) -> None:
        """Let what became active decide, if this detector can run it."""
        current, pointer = self._current, found.pointer
        try:
            rulesets = await self._read(found)
            is_other = not rulesets.decides_like(current.rulesets)
            prepared = await self._prepare(rulesets, current, self._pipeline) if is_other else current
        except RulesetError as error:
            log.error(  # noqa: TRY400  (the text says it all)
                "ruleset_refused", **pointer.as_document(), problem=str(error), consequence="the previous one decides"
            )
            self._metrics.ruleset_refused()
            refused = pointer.candidate or pointer.version
            self._health.unavailable(Check.RULESET, f"version {refused} cannot be run: {error}")
            return
        if is_other:
            # A version is recorded before anything is decided by it.
            await retry_while_unavailable(
                lambda: self._store.record_rulesets(rulesets.rulesets),
                check=Check.STORING,
                health=self._health,
                is_cancelled=lambda: False,
            )
            await self._let_decide(prepared)
            log.info("ruleset_switched", **_as_logged(rulesets), before=current.rulesets.stable.version)
        self._health.recovered(Check.RULESET)
        self._metrics.rulesets_active(rulesets.shares)

    async def _let_decide(self, prepared: Prepared) -> None:
        follower, before = prepared.follower, self._current.follower
        switch = EvaluatorSwitch(prepared.evaluator, follower, prepared.begin)
        if follower is not None and follower is not before:
            self._followers.create_task(follower.run(), name="follow")
        try:
            if follower is not None and follower is not before:
                # Beside deciding, so that the switch itself waits for a few orders only.
                await retry_while_unavailable(
                    follower.catch_up, check=Check.LOADING, health=self._health, is_cancelled=lambda: False
                )
            await self._pipeline.switch(switch)
        finally:
            if switch.done.is_set():
                self._current = prepared
            replaced = before if switch.done.is_set() else follower
            if replaced is not None and follower is not before:
                replaced.stop()


def _as_logged(rulesets: DecidingRulesets) -> dict[str, object]:
    rollout = rulesets.rollout
    found: dict[str, object] = {"version": rulesets.stable.version}
    return found if rollout is None else {**found, "candidate": rollout.candidate.version, "percent": rollout.percent}
