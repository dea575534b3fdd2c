"""The HTTP API: orders with their decisions, statistics, marts, dead letters and keys."""
