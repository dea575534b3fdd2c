"""Labels: `fraud-detector labels`, which publishes those of a file."""
