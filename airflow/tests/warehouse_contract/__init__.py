"""What every warehouse does: DuckDB, and BigQuery by Google's client against the fake."""
