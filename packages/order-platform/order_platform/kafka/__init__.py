"""Kafka: security, errors, topics and their ids, committed offsets, lag."""
