"""How much the process holds for its clients, all connections together."""


class HeldBytes:
    """A sum with a limit: each connection says how much it holds now and before."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0

    def change(self, before: int, now: int) -> bool:
        """Count what a connection holds now; whether the sum is within its limit, or became smaller."""
        self.total += now - before
        return now <= before or self.total <= self.limit
