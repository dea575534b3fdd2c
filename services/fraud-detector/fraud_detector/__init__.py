"""The fraud detector: consumes orders, decides them, stores decisions with their reasons, and publishes them."""
