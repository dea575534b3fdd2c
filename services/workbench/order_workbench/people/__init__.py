"""People, keys, and the audit log."""
