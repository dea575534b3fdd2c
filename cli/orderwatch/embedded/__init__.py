"""The embedded system: a real Kafka and PostgreSQL without Docker, and the services, under one supervisor."""
