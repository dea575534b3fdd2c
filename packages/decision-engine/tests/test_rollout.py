"""Roll-out of a ruleset: which users are in it, and what is recorded of both rulesets."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decision_engine.evaluate import evaluate
from decision_engine.features import ROLLOUT, EventFeatures
from decision_engine.hashed_share import hashed_share
from decision_engine.history.snapshot import SnapshotError
from decision_engine.history.stream_features import LATENESS, StreamFeatures
from decision_engine.lists import EntryChange, ListFeatures, ListMembers
from decision_engine.rollout import DecidingRulesets, Rollout, RolloutEvaluator
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import OrderEvent

START = datetime(2026, 11, 22, 5, tzinfo=UTC)
COUNT = "orders: {aggregate: count, key: user_id, window: 2h}"
AVERAGE = "average: {aggregate: avg, field: amount, key: user_id, window: 30d}"
COUNTRY = "country_users: {aggregate: distinct, field: user_id, key: country, window: 1h}"


def ruleset(score: int, *features: str, lists: str = "", when: str = "amount > 1_000") -> Ruleset:
    return parse_ruleset(
        f"""
review_at: 50
decline_at: 90
features: {{{", ".join(features)}}}
lists: {{{lists}}}
rules: [{{id: large, description: "{{amount:,}}.", when: {when}, severity: low, score: {score}}}]
""",
        "rules.yaml",
    )


def order(user: str, number: int = 0, **fields: Any) -> OrderEvent:
    text = f'{{"order_id":"o{number}","user_id":"{user}","product_id":"p","quantity":1,"amount":2000,'
    text += '"payment_method":"OVO","country":"ID","created_date":"2026-11-22T12:00:00+07:00"}'
    event = EventDecoder().decode(text.encode(), START)
    return event._replace(**{"created_date": START + timedelta(minutes=number), **fields})


ONE, OTHER = ruleset(50), ruleset(60)


@given(st.text(max_size=64), st.text(max_size=20), st.integers(1, 99), st.integers(1, 99))
def test_a_higher_percentage_only_adds_users(user: str, salt: str, one: int, other: int) -> None:
    low, high = (Rollout(ONE, percent, salt) for percent in sorted((one, other)))
    assert high.includes(user) or not low.includes(user)
    assert low.includes(user) == Rollout(OTHER, low.percent, salt).includes(user)


@pytest.mark.parametrize("percent", [1, 20, 50, 99])
def test_the_share_of_users_is_the_percentage(percent: int) -> None:
    rollout = Rollout(ONE, percent, "salt")
    found = sum(rollout.includes(f"user-{number}") for number in range(20_000))
    assert found / 20_000 == pytest.approx(percent / 100, abs=0.01)


def test_the_users_of_a_version_are_the_same_in_every_release() -> None:
    shares = [round(hashed_share(user, "0b9a3a1c52f7d6e4"), 6) for user in ("", "U-1042", "Ürsüla")]
    assert shares == [0.774369, 0.805168, 0.245351]


def test_both_outcomes_are_recorded() -> None:
    stable, candidate = ruleset(0), ruleset(95)
    rollout = Rollout(candidate, 50, "salt")
    evaluator = RolloutEvaluator(stable, rollout, None)
    seen = set()
    for number in range(50):
        event = order(f"user-{number}")
        decision = evaluator.decide(event, EventFeatures().features(event))
        own, other = (candidate, stable) if rollout.includes(event.user_id) else (stable, candidate)
        expected, alternative = (evaluate(event, EventFeatures(), each) for each in (own, other))
        assert decision == expected._replace(
            features={
                **expected.features,
                ROLLOUT: {
                    "percent": 50,
                    "other_version": other.version,
                    "other_outcome": alternative.outcome,
                    "other_risk_score": alternative.risk_score,
                },
            }
        )
        seen.add(decision.ruleset_version)
    assert seen == {stable.version, candidate.version}


FEATURES = [(), (COUNT,), (AVERAGE, COUNT), (COUNTRY, COUNT), (COUNTRY, AVERAGE, COUNT)]


@pytest.mark.parametrize("stable", FEATURES)
@pytest.mark.parametrize("candidate", FEATURES)
@pytest.mark.parametrize("most_bytes", [None, 4_000], ids=["complete", "forgetting"])
def test_each_version_sees_what_it_would_see_alone(
    stable: tuple[str, ...], candidate: tuple[str, ...], most_bytes: int | None
) -> None:
    """The same values in the same sequence as of histories of its features alone, also when orders are forgotten."""
    deciding = DecidingRulesets(ruleset(50, *stable), Rollout(ruleset(60, *candidate), 50, "salt"))
    histories = StreamFeatures(deciding.features, most_bytes=most_bytes) if deciding.features else None
    alone = {each.version: StreamFeatures(each.features) for each in deciding.rulesets}
    assert deciding.rollout is not None
    evaluator = RolloutEvaluator(deciding.stable, deciding.rollout, None)
    for number in range(120):
        late = LATENESS if number % 50 == 49 else timedelta()
        event = order(f"user-{number % 7}", number * 15)
        event = event._replace(created_date=event.created_date - late)
        features = EventFeatures().features(event) if histories is None else histories.features(event)
        decision = evaluator.decide(event, features)
        decided = dict(decision.features)
        assert decided.pop(ROLLOUT)
        own = next(each for each in deciding.rulesets if each.version == decision.ruleset_version)
        state = alone[own.version]
        if histories is not None and histories.horizon is not None:
            state._set_horizon(histories.horizon)  # as if it had forgotten the same
        expected = state.features(event) if own.features else EventFeatures().features(event)
        assert list(decided.items()) == list(expected.items())
        for each in (histories, *alone.values()):
            if each is not None:
                each.add(event, 0, number)
        if histories is not None and number == 60:
            for _ in histories.forget():
                pass


def test_a_name_with_two_meanings_is_refused() -> None:
    other = COUNT.replace("2h", "3h")
    with pytest.raises(RulesetError, match=r"feature 'orders' of version .* give it another name"):
        DecidingRulesets(ruleset(50, COUNT), Rollout(ruleset(60, other), 10, ""))
    one, two = with_parameter("mine", 1_000), with_parameter("mine", 3_000)
    with pytest.raises(RulesetError, match="feature 'mine'"):
        DecidingRulesets(one, Rollout(two, 10, ""))


def with_parameter(feature: str, most: int) -> Ruleset:
    """A ruleset of one feature, which counts orders above a parameter."""
    where = f"{feature}: {{aggregate: count, key: user_id, window: 2h, where: amount > most}}"
    return parse_ruleset(f"parameters: {{most: {most}}}\n{ruleset(50, COUNT).content}".replace(COUNT, where), "f")


def test_one_condition_with_two_parameters_counts_other_orders() -> None:
    deciding = DecidingRulesets(with_parameter("mine", 1_000), Rollout(with_parameter("yours", 3_000), 10, ""))
    histories = StreamFeatures(deciding.features)
    histories.add(order("user", amount=2_000), 0, 0)
    values = histories.features(order("user", 1))
    assert (values["mine"], values["yours"]) == (1, 0)


def test_a_snapshot_with_another_parameter_is_refused() -> None:
    with io.BytesIO() as file:
        StreamFeatures(with_parameter("mine", 1_000).features).write(file)
        file.seek(0)
        with pytest.raises(SnapshotError, match="other features"):
            StreamFeatures(with_parameter("mine", 3_000).features).read(file)


def test_lists_of_both_are_seen() -> None:
    members = ListMembers()
    members.apply(7, [EntryChange("blocked", "user_id", "u1", None, is_added=True)])
    listed = ruleset(50, lists="blocked: {kind: block, field: user_id}", when="user_id in blocked")
    for stable, candidate in ((ruleset(50), listed), (listed, ruleset(50))):
        evaluator = RolloutEvaluator(stable, Rollout(candidate, 50, ""), members)
        assert evaluator.lists_seen == 7
        event = order("u1")
        decision = evaluator.decide(event, EventFeatures().features(event))
        by_listed = decision.ruleset_version == listed.version
        assert ("lists" in decision.features) == by_listed
    assert RolloutEvaluator(ruleset(50), Rollout(ruleset(60), 50, ""), members).lists_seen is None


def test_rulesets_that_decide_alike() -> None:
    one, two = ruleset(50, COUNT), ruleset(60, COUNT)
    rollout = Rollout(two, 10, "salt")
    assert DecidingRulesets(one, rollout).decides_like(DecidingRulesets(one, replace(rollout)))
    assert not DecidingRulesets(one, rollout).decides_like(DecidingRulesets(one, replace(rollout, percent=20)))
    assert not DecidingRulesets(one, rollout).decides_like(DecidingRulesets(one))
    assert DecidingRulesets(one, rollout).has_features_of(DecidingRulesets(two))
    assert DecidingRulesets(one, rollout).shares == {one.version: 0.9, two.version: 0.1}
    assert ListFeatures(EventFeatures(), ListMembers(), one).seen is None
