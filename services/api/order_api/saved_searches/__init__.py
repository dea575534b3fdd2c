"""Saved searches: query strings that people keep under a name."""
