"""The decision: as stored, and decided again from the stored values by the ruleset that decided it."""

from collections.abc import Iterable

import orjson

from decision_engine.evaluate import evaluate
from decision_engine.features import EventFeatures, RecordedFeatures
from order_contract.decision import DECISION_COLUMNS, decision_columns
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.nested import from_columns, stored_features, stored_hits
from orderwatch.explain.rules import read_ruleset
from orderwatch.explain.section import Difference, Section, differences


def decision_section(evidence: OrderEvidence) -> Section:
    """The stored decision, compared to the bit with what the engine says today."""
    row = evidence.row
    return Section(
        "decision",
        "The decision, as stored",
        facts={
            "status": row.status,
            "outcome": row.outcome,
            "risk_score": row.risk_score,
            "reasons": [hit.get("reason") for hit in stored_hits(row)] or ["no rule fired"],
            "features": stored_features(row),
            "ruleset_version": row.ruleset_version,
            "decided_at": row.decided_at,
        },
        checked="decided again from the stored values, to the bit",
        here="decided again",
        differences=_compare_with_evaluation(evidence),
    )


def _compare_with_evaluation(evidence: OrderEvidence) -> list[Difference]:
    row = evidence.row
    ruleset = read_ruleset(evidence)
    if isinstance(ruleset, str):
        return [Difference("ruleset_version", row.ruleset_version, ruleset)]
    event, features = row.event(), stored_features(row)
    try:
        decision = evaluate(event, RecordedFeatures(features), ruleset)
    except (KeyError, TypeError) as error:
        return [Difference("features", row.features, f"nothing can be decided with these: {error!r}")]
    stored = _plain(getattr(row, name) for name in DECISION_COLUMNS)
    again = _plain(decision_columns(decision))
    # What follows from the order alone is computed again; what depended on earlier orders is taken as it is stored.
    again["features"] = orjson.dumps({**features, **EventFeatures().features(event)}).decode()
    if stored == again:
        return []
    # By the values inside for a person; where those are the same, it is the text that differs.
    return differences(from_columns(stored), from_columns(again)) or differences(stored, again)


def _plain(values: Iterable[object]) -> dict[str, object]:
    """Columns as they are stored: text rather than members of an enumeration."""
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in zip(DECISION_COLUMNS, values, strict=True)
    }
