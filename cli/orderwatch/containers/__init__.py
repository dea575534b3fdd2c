"""What runs once inside `docker compose up`: see deploy/compose.yaml."""
