"""The command for people: questions about a running system, here or elsewhere."""
