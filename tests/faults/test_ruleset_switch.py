"""Ruleset versions that become active under load: each decision agrees with the version that it names, none is lost."""

import asyncio
import os
import random
import uuid
from contextlib import ExitStack
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
from tests.faults.load import Load
from tests.support.consumed import until_consumed
from tests.support.detector import DetectorProcess
from tests.support.ledger import Ledger
from tests.support.service import run_command
from tests.support.waiting import until

RATE = 300
SWITCHES = int(os.environ.get("ORDERWATCH_RULESET_SWITCHES", "6"))
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
        loading = asyncio.create_task(load.run())
        default = load_ruleset().version
        await until(lambda: all(_decides_by(each, default) for each in detectors), "the default ruleset to decide")
        before = len(ledger.acknowledged)
        await until(lambda: len(ledger.acknowledged) > before + RATE, "the load to start")
        for number in range(SWITCHES):
            ruleset = VERSIONS[number] if number < len(VERSIONS) else chance.choice(VERSIONS)
            await activate(connection, ruleset.version, ruleset.content, action=Action.PUBLISH, author="test")
            await until(lambda: all(_decides_by(each, ruleset.version) for each in detectors), "both to switch")  # noqa: B023
        await activate(connection, "of-a-newer-release", "rules: 1", action=Action.PUBLISH, author="test")
        await until(lambda: all("cannot be run" in each.get("/readyz")[1] for each in detectors), "both to refuse")
        before = len(ledger.acknowledged)
        await until(lambda: len(ledger.acknowledged) > before + RATE, "further orders")
        load.stop()
        await loading
        await until_consumed(settings, "the detectors to catch up", within=120)
        assert [detector.terminate() for detector in detectors] == [0, 0]

    counts = await ledger.verify(settings, database_url)
    assert counts["stored"] > RATE
    rows = [
        OrderRow(*record.values())
        for record in await connection.fetch(f"select {', '.join(OrderRow._fields)} from orders")
    ]
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
        loading = asyncio.create_task(load.run())
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
            before = len(ledger.acknowledged)
            await until(lambda: len(ledger.acknowledged) > before + RATE // 10, "further orders")  # noqa: B023
        load.stop()
        await loading
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


def _decides_by(detector: DetectorProcess, version: str, share: float = 1.0) -> bool:
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
