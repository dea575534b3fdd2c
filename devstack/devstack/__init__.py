"""The embedded system: a real Kafka and PostgreSQL without Docker, Airflow and the services, under one supervisor."""
