"""The command `fraud-detector dead-letters`."""
