"""Signing in and out, and what a visitor prefers."""
