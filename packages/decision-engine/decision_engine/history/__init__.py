"""Features of history: aggregates over the other orders with the same key in a sliding window of event time."""
