"""dbt builds, and the marts that go back to Postgres."""
