"""Stream of decisions: topic `decisions` as server-sent events."""
