"""Other messages with the order's id: none of them changed it."""

from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.section import Section


def others_section(evidence: OrderEvidence) -> Section:
    """Duplicates, conflicts and dead letters that came with the same order id."""
    return Section(
        "others",
        "Other messages with this order id",
        rows=[
            {
                "origin": str(each.origin),
                "outcome": each.outcome,
                "error": each.error,
                "recorded_at": each.recorded_at,
            }
            for each in evidence.others
        ],
    )
