"""From Postgres into the warehouse: partitions extracted, loaded, compared and recorded."""
