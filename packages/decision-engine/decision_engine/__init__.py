"""Deciding an order: expressions, rulesets, features, evaluation. Pure: no I/O, clock or environment."""
