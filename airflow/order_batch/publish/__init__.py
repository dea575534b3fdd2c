"""Publication of marts to Postgres."""
