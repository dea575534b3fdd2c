"""A record that was looked for: found, or not."""

from dataclasses import dataclass

from order_contract.message import Message


@dataclass(frozen=True, slots=True)
class Missing:
    """A record that could not be found, and why."""

    reason: str


Found = Message | Missing
