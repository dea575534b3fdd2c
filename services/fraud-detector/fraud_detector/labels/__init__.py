"""Labels: `fraud-detector labels`, which publishes those of a file; and storing those of topic `labels`."""
