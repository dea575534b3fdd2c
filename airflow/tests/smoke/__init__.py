"""Smoke run on a real BigQuery project, with made-up sample data."""
