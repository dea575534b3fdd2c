"""The routes of the review queue: which flagged orders enter it, where, and what happens when they are overdue."""
