"""Backtests of Orderwatch: past orders of Postgres decided by a ruleset, and the report in its forms."""
