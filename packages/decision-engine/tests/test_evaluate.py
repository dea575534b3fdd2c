"""Evaluation: the default rules give the seed's status, scores give outcomes, hits say why."""

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, RecordedFeatures
from decision_engine.ruleset import Ruleset, load_ruleset, parse_ruleset
from order_contract.business_time import BUSINESS_ZONE
from order_contract.decision import Decision, Outcome
from order_contract.event import OrderEvent
from order_contract.reference_data import PAYMENT_METHODS

DEFAULT = load_ruleset()
FEATURES = EventFeatures()


def event(
    *,
    amount: int = 1,
    quantity: int = 1,
    country: str = "ID",
    payment: str = "Bank Transfer",
    hour: int = 12,
    currency: str = "IDR",
) -> OrderEvent:
    created = datetime(2026, 11, 22, hour, 59, 59, tzinfo=BUSINESS_ZONE)
    return OrderEvent(
        "o1",
        "u1",
        "p1",
        quantity,
        amount,
        currency,
        payment,
        country,
        created,
        None,
        None,
        None,
        None,
        None,
        None,
        None,
    )


def decide(ruleset: Ruleset, order: OrderEvent) -> Decision:
    return evaluate(order, FEATURES, ruleset)


def seed_says_fraud(order: OrderEvent) -> bool:
    """The seed's four rules, written a second time from its description."""
    hour = (order.created_date.utctimetuple().tm_hour + 7) % 24
    return (
        (hour < 5 and (order.amount >= 100_000_000 or order.quantity > 100))
        or order.country != "ID"
        or order.amount >= 300_000_000
        or order.quantity > 300
        or (order.payment_method in {"DANA", "OVO", "GoPay", "PayLater"} and order.amount > 50_000_000)
    )


# Values at and beside every threshold, and anything else.
amounts = st.one_of(
    st.sampled_from([t + d for t in (50_000_000, 100_000_000, 300_000_000) for d in (-1, 0, 1)]), st.integers(0, 10**15)
)
quantities = st.one_of(st.sampled_from([100, 101, 300, 301]), st.integers(1, 2**63 - 1))


@given(
    amounts, quantities, st.sampled_from(["ID", "US", "SG", "MY"]), st.sampled_from(PAYMENT_METHODS), st.integers(0, 23)
)
def test_the_default_rules_give_exactly_the_seeds_status(
    amount: int, quantity: int, country: str, payment: str, hour: int
) -> None:
    order = event(amount=amount, quantity=quantity, country=country, payment=payment, hour=hour)
    decision = decide(DEFAULT, order)
    assert (decision.status == "fraud") is seed_says_fraud(order)
    assert (decision.status == "fraud") is (decision.outcome is not Outcome.APPROVE) is bool(decision.hits)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(BUSINESS_ZONE)), st.integers(-12, 14))  # noqa: DTZ001
def test_the_hour_is_business_time_whatever_the_offset_it_came_with(moment: datetime, offset: int) -> None:
    elsewhere = moment.astimezone(timezone(timedelta(hours=offset)))
    assert FEATURES.features(event()._replace(created_date=elsewhere)) == {"hour": moment.hour}


def test_thresholds_in_rupiah_say_nothing_about_other_currencies() -> None:
    assert decide(DEFAULT, event(amount=400_000_000, currency="USD")).outcome is Outcome.APPROVE
    assert decide(DEFAULT, event(amount=400_000_000)).outcome is Outcome.REVIEW


def test_hits_say_why_with_the_values_that_mattered() -> None:
    decision = decide(DEFAULT, event(amount=350_000_000, country="SG", hour=3, payment="OVO"))
    reasons = {hit["rule"]: hit["reason"] for hit in decision.hits}
    assert reasons["foreign-country"] == "Ordered from SG, not from Indonesia."
    assert "03:xx" in reasons["critical-hour"]
    assert "350,000,000 IDR" in reasons["very-large-order"]
    assert "by OVO" in reasons["large-wallet-payment"]
    assert decision.risk_score == 100
    assert decision.outcome is Outcome.DECLINE


def test_a_shadow_rule_is_recorded_and_decides_nothing() -> None:
    ruleset = parse_ruleset(
        """
review_at: 50
decline_at: 90
rules:
  - {id: a, description: a, when: amount > 0, severity: low, score: 30}
  - {id: b, description: b, when: amount > 0, severity: high, score: 90, mode: shadow}
""",
        "f.yaml",
    )
    decision = decide(ruleset, event())
    assert [(hit["rule"], hit["mode"]) for hit in decision.hits] == [("a", "live"), ("b", "shadow")]
    assert (decision.risk_score, decision.outcome) == (30, Outcome.APPROVE)


def test_features_come_from_the_state_that_is_passed_in() -> None:
    order = event(amount=150_000_000, hour=12)
    assert evaluate(order, FEATURES, DEFAULT).outcome is Outcome.APPROVE
    decision = evaluate(order, RecordedFeatures({"hour": 3}), DEFAULT)
    assert [hit["rule"] for hit in decision.hits] == ["critical-hour"]
    assert decision.features == {"hour": 3}


def test_approvals_name_the_features_and_ruleset_of_their_own_order() -> None:
    other = parse_ruleset(DEFAULT.content.replace("score: 60", "score: 61"), "f.yaml")
    decisions = [
        evaluate(event(hour=hour), FEATURES, ruleset) for hour in (9, 10, 10, 9) for ruleset in (DEFAULT, other)
    ]
    assert [(decision.features["hour"], decision.ruleset_version) for decision in decisions] == [
        (hour, ruleset.version) for hour in (9, 10, 10, 9) for ruleset in (DEFAULT, other)
    ]
