"""Decisions as they happen."""
