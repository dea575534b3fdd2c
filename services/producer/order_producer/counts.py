"""What became of the messages so far."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """`sent` were handed over; each of them ends as acknowledged or as failed."""

    sent: int = 0
    acknowledged: int = 0
    failed: int = 0

    @property
    def waiting(self) -> int:
        """Handed over and undecided yet."""
        return self.sent - self.acknowledged - self.failed
