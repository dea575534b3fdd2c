"""The review queue: the list, the order at hand, and the verdicts on it."""
