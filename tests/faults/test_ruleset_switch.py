"""Ruleset versions that become active under load: each decision agrees with the version that it names, none is lost.

ORDERWATCH_RULESET_SWITCHES sets how often versions, and percentages, change (6), ORDERWATCH_RULESET_SWITCH_RATE how
many orders come in a second (150), ORDERWATCH_RULESET_SWITCH_SECONDS how long at least from one version to the next
(0.1). With `-s` the run prints how long orders took from the broker's append to being stored, while versions changed
and while none did, in turns, and the ratio of both p99. Most versions have other histories than the one before, which
detectors load or have kept: ORDERWATCH_RULESET_SWITCH_LOADS=0 leaves such switches out after the first five.
"""

import asyncio
import os
import random
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import asyncpg
import orjson
import pytest

from decision_engine.evaluate import evaluate
from decision_engine.features import ROLLOUT, RecordedFeatures
from decision_engine.hashed_share import hashed_share
from decision_engine.ruleset import Ruleset, load_ruleset, parse_ruleset
from order_contract.decision import DECISION_COLUMNS, OrderRow, decision_columns
from order_platform.kafka.topics import ensure_topics
from order_platform.postgres.ruleset_versions import Action, activate, roll_out
from order_platform.settings import KafkaSettings
from tests.faults.load import Load, under
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.service import run_command
from tests.support.waiting import until

RATE = int(os.environ.get("ORDERWATCH_RULESET_SWITCH_RATE", "150"))
SWITCHES = int(os.environ.get("ORDERWATCH_RULESET_SWITCHES", "6"))
SWITCHES_AT_A_TIME = 10
SECONDS = float(os.environ.get("ORDERWATCH_RULESET_SWITCH_SECONDS", "0.1"))
LOADS = os.environ.get("ORDERWATCH_RULESET_SWITCH_LOADS") != "0"
LATENCY = """
    select count(*), coalesce(percentile_cont(0.5) within group (order by seconds), 0),
        coalesce(percentile_cont(0.99) within group (order by seconds), 0)
    from (
        select extract(epoch from stored_at - appended_at)::float8 as seconds from orders
        where exists (
            select from unnest($1::timestamptz[], $2::timestamptz[]) as span (since, until)
            where appended_at >= since and appended_at < until
        )
    ) as taken
"""
FEATURES = (
    "user_orders_1h: {aggregate: count, key: user_id, window: 1h}",
    "user_average_30d: {aggregate: avg, field: amount, key: user_id, window: 30d}",
    "country_users_24h: {aggregate: distinct, field: user_id, key: country, window: 24h}",
)


def version(score: int, features: tuple[str, ...]) -> Ruleset:
    text = f"""
review_at: 50
decline_at: 90
features: {{{", ".join(features)}}}
rules:
  - {{id: large, description: "{{amount:,}}.", when: amount > 1_000_000, severity: low, score: {score}}}
"""
    return parse_ruleset(text, "rules.yaml")


# In this order: other thresholds with the same histories, other histories, none, histories again.
VERSIONS = [version(50, FEATURES[:2]), version(60, FEATURES[:2]), version(60, FEATURES[1:]), version(70, ())]


@pytest.mark.integration
async def test_every_decision_agrees_with_the_version_that_it_names(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    settings = kafka_settings.model_copy(update={"consumer_group": f"g-{uuid.uuid4().hex[:8]}"})
    await ensure_topics(settings)
    chance = random.Random(1)
    ledger = Ledger()
    load = Load(settings, ledger, rate=RATE)
    connection = await asyncpg.connect(database_url)
    with ExitStack() as stack:
        detectors = [
            stack.enter_context(DetectorProcess(settings, database_url, tmp_path / f"detector-{number}.log"))
            for number in range(2)
        ]
        async with under(load):
            deciding = load_ruleset().version
            await until(partial(_all_decide_by, detectors, deciding), "the default ruleset to decide")
            await until(
                partial(_latest_was_stored_within, connection, seconds=0.5), "the orders of the start to be stored"
            )
            quiet, switching = _Spans(), _Spans()

            async def decide_by(version: str) -> None:
                # Both turns ask as often: an answer takes a detector some milliseconds.
                await asyncio.sleep(SECONDS)
                await until(partial(_all_decide_by, detectors, version), f"both to decide by {version}", within=300)

            async def decide_on() -> None:
                for _ in range(SWITCHES_AT_A_TIME):
                    await decide_by(deciding)

            await decide_on()  # a turn that counts nowhere: new processes are slower than the same a little later
            for number in range(SWITCHES):
                if number % SWITCHES_AT_A_TIME == 0:
                    with quiet.add():
                        await decide_on()
                if number < len(VERSIONS):
                    ruleset = VERSIONS[number]
                else:
                    ruleset = chance.choice(VERSIONS) if LOADS else VERSIONS[number % 2]
                deciding = ruleset.version
                with switching.add():
                    await activate(connection, deciding, ruleset.content, action=Action.PUBLISH, author="test")
                    await decide_by(deciding)
            await activate(connection, "of-a-newer-release", "rules: 1", action=Action.PUBLISH, author="test")
            await until(partial(_all_refuse, detectors), "both to refuse")
            before = len(ledger.acknowledged)
            await until(lambda: len(ledger.acknowledged) > before + RATE, "further orders")
        await until_consumed(settings, "the detectors to catch up", within=120)
        assert [detector.terminate() for detector in detectors] == [0, 0]

    counts = await ledger.verify(settings, database_url)
    assert counts["stored"] > RATE
    rows = [
        OrderRow(*record.values())
        for record in await connection.fetch(f"select {', '.join(OrderRow._fields)} from orders")
    ]
    all_p99 = []
    for name, spans in (("no switch", quiet), ("switches", switching)):
        (figures,) = await connection.fetch(LATENCY, spans.begins, spans.ends)
        found, median, p99 = figures
        all_p99.append(p99)
        print(f"{name}: {found:,} orders at {RATE:,}/s, p50 {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
    print(f"p99 with switches: {all_p99[1] / max(all_p99[0], 0.001):.2f} times that without")
    recorded = {version for (version,) in await connection.fetch("select version from rulesets")}
    await connection.close()
    rulesets = {ruleset.version: ruleset for ruleset in VERSIONS}
    assert {row.ruleset_version for row in rows} > rulesets.keys(), "some version decided nothing"
    assert {row.ruleset_version for row in rows} <= recorded
    for row in rows:
        if row.ruleset_version in rulesets:
            ruleset, features = rulesets[row.ruleset_version], orjson.loads(row.features)
            assert features.keys() - {"hour", "too_late"} == {feature.name for feature in ruleset.features}
            decided = decision_columns(evaluate(row.event(), RecordedFeatures(features), ruleset))
            assert decided == tuple(getattr(row, name) for name in DECISION_COLUMNS)
    await _verify_features(settings, database_url)


@pytest.mark.integration
async def test_each_user_is_always_on_the_same_side_of_a_percentage(
    kafka_settings: KafkaSettings, database_url: str, tmp_path: Path
) -> None:
    """Two detectors, a candidate with other features, and percentages that change under load."""
    settings = kafka_settings.model_copy(update={"consumer_group": f"g-{uuid.uuid4().hex[:8]}"})
    await ensure_topics(settings)
    chance = random.Random(2)
    ledger = Ledger()
    load = Load(settings, ledger, rate=RATE)
    stable, candidate = VERSIONS[0], VERSIONS[2]
    connection = await asyncpg.connect(database_url)
    await activate(connection, stable.version, stable.content, action=Action.PUBLISH, author="test")
    percents = [chance.randint(1, 99) for _ in range(SWITCHES)]
    with ExitStack() as stack:
        detectors = [
            stack.enter_context(DetectorProcess(settings, database_url, tmp_path / f"detector-{number}.log"))
            for number in range(2)
        ]
        async with under(load):
            await until(
                lambda: all(_decides_by(each, stable.version) for each in detectors), "the stable version to decide"
            )
            for percent in percents:
                await roll_out(connection, candidate.version, candidate.content, percent, author="test")
                share = percent / 100
                await until(
                    lambda: all(_decides_by(each, candidate.version, share) for each in detectors),  # noqa: B023
                    f"both to decide for {percent}%",
                )
                await until(
                    lambda: _has_decided_at(connection, percent),  # noqa: B023
                    f"an order that was decided for {percent}%",
                )
        await until_consumed(settings, "the detectors to catch up", within=120)
        assert [detector.terminate() for detector in detectors] == [0, 0]

    await ledger.verify(settings, database_url)
    rows = [
        OrderRow(*record.values())
        for record in await connection.fetch(f"select {', '.join(OrderRow._fields)} from orders")
    ]
    await connection.close()
    rulesets = {each.version: each for each in (stable, candidate)}
    decided_at = set()
    for row in rows:
        features = orjson.loads(row.features)
        ruleset, rollout = rulesets[row.ruleset_version], features.get(ROLLOUT)
        decided = decision_columns(evaluate(row.event(), RecordedFeatures(features), ruleset))
        assert decided == tuple(getattr(row, name) for name in DECISION_COLUMNS)
        if rollout is not None:
            decided_at.add(rollout["percent"])
            by_candidate = hashed_share(row.user_id, candidate.version) * 100 < rollout["percent"]
            assert (row.ruleset_version == candidate.version) == by_candidate, row
            assert {row.ruleset_version, rollout["other_version"]} == rulesets.keys()
    assert decided_at == set(percents)
    await _verify_features(settings, database_url)


class _Spans:
    """Spans of time, in which something was done."""

    def __init__(self) -> None:
        self.begins: list[datetime] = []
        self.ends: list[datetime] = []

    @contextmanager
    def add(self) -> Iterator[None]:
        self.begins.append(datetime.now(UTC))
        yield
        self.ends.append(datetime.now(UTC))


async def _latest_was_stored_within(connection: "asyncpg.Connection[asyncpg.Record]", *, seconds: float) -> bool:
    taken: float | None = await connection.fetchval(
        "select extract(epoch from stored_at - appended_at)::float8 from orders order by stored_at desc limit 1"
    )
    return taken is not None and taken < seconds


async def _has_decided_at(connection: "asyncpg.Connection[asyncpg.Record]", percent: int) -> bool:
    """Whether one of the orders that were stored last was decided for this percentage."""
    found: int | None = await connection.fetchval(
        f"""
        select 1 from (select features from orders order by stored_at desc limit {RATE}) as latest
        where (features -> '{ROLLOUT}' ->> 'percent')::float8 = $1 limit 1
        """,
        percent,
    )
    return found is not None


def _all_decide_by(detectors: Sequence[DetectorProcess], version: str) -> bool:
    return all(_decides_by(each, version) for each in detectors)


def _all_refuse(detectors: Sequence[DetectorProcess]) -> bool:
    for each in detectors:
        each.require_running()
    return all("cannot be run" in each.get("/readyz")[1] for each in detectors)


def _decides_by(detector: DetectorProcess, version: str, share: float = 1.0) -> bool:
    detector.require_running()
    return f'orderwatch_detector_ruleset{{version="{version}"}} {share}\n' in detector.get("/metrics")[1]


async def _verify_features(settings: KafkaSettings, database_url: str) -> None:
    """Stored features of all versions are what SQL computes from the stored orders."""
    verified = await asyncio.to_thread(
        run_command, settings, database_url, "fraud_detector", "features", "verify", "--sample", "500", "--json"
    )
    assert verified.returncode in {0, 1}, verified.stderr
    verification = orjson.loads(verified.stdout)
    assert (verified.returncode, verification["differences"]) == (0, []), verified.stderr
    assert verification["unknown_rulesets"] == []
