"""Rulesets: the active one with its watch, rolling back, and drafts until they are published."""
