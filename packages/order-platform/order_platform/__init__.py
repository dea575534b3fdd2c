"""What every process needs: settings, Kafka and Postgres clients, schema migrations, logging, health, commands."""
