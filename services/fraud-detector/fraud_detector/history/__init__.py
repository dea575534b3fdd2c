"""History features beside the stream: loading histories from Postgres, and verifying stored values by SQL."""
