"""Explanation of a decision, from the bytes on the topic on, with a check that all records of the order agree.

`evidence_loader` collects the evidence, `build_explanation` compares it section by section, `render` shows the result.
"""

from orderwatch.explain.evidence import OrderEvidence, UnstoredMessageEvidence
from orderwatch.explain.explanation import Explanation
from orderwatch.explain.sections import ORDER_SECTIONS
from orderwatch.explain.unstored_message import UNSTORED_MESSAGE_SECTIONS


def build_explanation(evidence: OrderEvidence | UnstoredMessageEvidence) -> Explanation:
    """The explanation that the evidence gives."""
    if isinstance(evidence, OrderEvidence):
        return Explanation(f"order {evidence.row.order_id}", [section(evidence) for section in ORDER_SECTIONS])
    sections = [section(evidence) for section in UNSTORED_MESSAGE_SECTIONS]
    return Explanation(f"message {evidence.unstored.origin}", sections)
