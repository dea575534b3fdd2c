"""Backtest: what a ruleset would have decided on past orders, and how good that would have been."""
