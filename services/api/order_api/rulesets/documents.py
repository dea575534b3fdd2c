"""Rulesets and what is found in them, as they are sent."""

from typing import Any

from decision_engine.diagnostics import Diagnosis
from decision_engine.explanation import explain_rule
from decision_engine.rule import Ruleset


def rules_document(own: Ruleset, ruleset: Ruleset) -> dict[str, Any]:
    """The rules of a ruleset as detectors have it; `own` is what was published, without the marketplace pack."""
    ids = {rule.id for rule in own.rules}
    return {
        "version": own.version,
        "ruleset_version": ruleset.version,
        "content": own.content,
        "review_at": ruleset.review_at,
        "decline_at": ruleset.decline_at,
        "items": [
            {
                "rule": rule.id,
                "mode": rule.mode,
                "severity": rule.severity,
                "score": rule.score,
                "outcome": rule.outcome,
                "description": rule.description,
                "when": rule.when,
                "owner": rule.owner,
                "tags": rule.tags,
                "notes": rule.notes,
                "of_pack": rule.id not in ids,
                "explanation": [*explain_rule(rule, ruleset)],
            }
            for rule in ruleset.rules
        ],
    }


def diagnosis_document(found: Diagnosis) -> dict[str, Any]:
    """What was found in a text."""
    return {
        "version": None if found.ruleset is None else found.ruleset.version,
        "diagnostics": [each._asdict() for each in found.diagnostics],
        "names": None if found.names is None else [each._asdict() for each in found.names],
    }
