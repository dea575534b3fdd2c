"""Loads into the warehouse: their ledger, and comparison with Postgres."""
