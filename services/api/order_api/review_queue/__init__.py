"""The review queue: what to look at next, who is looking at it, and closing it by a verdict."""
