"""Sizes and times of the pipeline."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of the pipeline; seconds."""

    batch_messages: int = 10_000
    # With history, what follows an order that turns out to be a duplicate is decided again in one go: of 10,000 on a
    # busy machine that takes so long that the detector is expelled from its group.
    batch_with_history: int = 5_000
    batch_bytes: int = 16 * 1024 * 1024
    # The event loop is given back between slices: a COPY in flight proceeds, heartbeats leave in time.
    slice_messages: int = 250
    poll_timeout: float = 0.5
    # Between publishing a few orders: once for every stored batch would keep broker and detector busy with little, and
    # it is less urgent than the stored decision itself.
    publish_every: float = 0.01
    keep_alive_every: float = 1.0
    commit_every: float = 0.25
    drain: float = 15.0
    # Then following is cancelled: it may wait for a broker that hangs.
    follower_stop: float = 2.0

    def messages(self, *, has_history: bool) -> int:
        """The largest batch."""
        return min(self.batch_messages, self.batch_with_history) if has_history else self.batch_messages
