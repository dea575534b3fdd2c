"""Counts, sums and lag over a time window."""
