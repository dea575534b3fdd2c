"""An explanation: all sections about one order or message, and the verdict over them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orderwatch.explain.announced import announced_section
from orderwatch.explain.dead_letter import dead_letter_section
from orderwatch.explain.decision import decision_section
from orderwatch.explain.event import event_section
from orderwatch.explain.evidence import OrderEvidence, RefusalEvidence
from orderwatch.explain.message import message_section, refused_message_section
from orderwatch.explain.others import others_section
from orderwatch.explain.refusal import refusal_section
from orderwatch.explain.rules import rules_section
from orderwatch.explain.section import Section
from orderwatch.explain.warehouse import warehouse_section

ORDER_SECTIONS: Sequence[Callable[[OrderEvidence], Section]] = (
    message_section,
    event_section,
    rules_section,
    decision_section,
    announced_section,
    others_section,
    warehouse_section,
)
REFUSAL_SECTIONS: Sequence[Callable[[RefusalEvidence], Section]] = (
    refused_message_section,
    refusal_section,
    dead_letter_section,
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of `subject`, an order or a message, place by place."""

    subject: str
    sections: Sequence[Section]

    @property
    def agrees(self) -> bool:
        """Whether no place contradicts what is stored."""
        return not any(section.differences for section in self.sections)

    def sentences(self) -> list[str]:
        """All differences in words."""
        return [sentence for section in self.sections for sentence in section.sentences()]

    def verdict(self) -> str:
        """One line: what was compared and whether it agrees."""
        if not self.agrees:
            places = [
                f"{section.name.replace('_', ' ')} ({', '.join(each.field for each in section.differences)})"
                for section in self.sections
                if section.differences
            ]
            return f"{self.subject} does not agree with itself: {', '.join(places)}."
        checked = [section.name for section in self.sections if section.checked is not None]
        return f"{self.subject} agrees with itself; compared: {', '.join(checked).replace('_', ' ') or 'nothing'}."


def explained(evidence: OrderEvidence | RefusalEvidence) -> Explanation:
    """The explanation that the evidence gives."""
    if isinstance(evidence, OrderEvidence):
        sections = [section(evidence) for section in ORDER_SECTIONS]
        return Explanation(f"order {evidence.row.order_id}", sections)
    return Explanation(f"message {evidence.refusal.origin}", [section(evidence) for section in REFUSAL_SECTIONS])
