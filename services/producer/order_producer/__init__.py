"""Publishes orders to Kafka: generated out of the marketplace's world, or replayed from a file or stdin."""
