"""Provisioning steps of `docker compose up` (deploy/compose.yaml), each run once by a container of its own.

In this order: `database_passwords`, `database_roles`, `orderwatch migrate`, `client_settings`, `welcome`; and with the
batch side `airflow_secrets`.
"""
