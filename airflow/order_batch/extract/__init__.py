"""Extraction of partitions from Postgres."""
