"""Postgres: connection URLs, roles, errors, the schema and its migrations."""
