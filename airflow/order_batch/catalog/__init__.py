"""Users and products of the seeded world, as versions in Postgres."""
