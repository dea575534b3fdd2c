"""What comes off the topic, and what of it is no order: dead letters and gaps."""

from dataclasses import dataclass

from order_contract.message import Message
from order_contract.origin import Origin


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that is bad data, with the error in words; `message` keeps the original bytes.

    `field` is the first field at fault, `fields` are all of them, where fields are at fault at all.
    `order_id` is the order it claims to be, where that could be read. For a conflict, `fingerprints` are those of
    the event that is stored and of this one. `epoch` tells topics of one name apart: see `Origin`.
    """

    message: Message
    error_type: str
    error: str
    field: str | None = None
    order_id: str | None = None
    fingerprints: tuple[str, str] | None = None
    fields: tuple[str, ...] = ()
    epoch: int = 1

    @property
    def origin(self) -> Origin:
        """Where the message came from."""
        return Origin(self.message.topic, self.message.partition, self.message.offset, self.epoch)


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets [first, next) of a partition that hold no message for us; `reason` says why as far as we know."""

    partition: int
    first: int
    next: int
    reason: str
