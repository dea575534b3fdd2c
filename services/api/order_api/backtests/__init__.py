"""Backtests: past orders decided by a ruleset, in the background."""
