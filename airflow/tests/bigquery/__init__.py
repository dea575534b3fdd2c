"""Tests of the warehouse in BigQuery, against the fake."""
