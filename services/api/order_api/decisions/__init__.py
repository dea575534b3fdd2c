"""Decisions as they are made: topic `decisions` as server-sent events."""
