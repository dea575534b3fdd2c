"""Airflow as part of the embedded system: its settings, which come as variables, and where it is installed."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from orderwatch.embedded.credentials import Credentials
from orderwatch.embedded.launch import read_environment
from orderwatch.embedded.layout import Layout
from orderwatch.project import ROOT
from orderwatch.provisioning import AIRFLOW_DATABASE
from orderwatch.whole_file import PRIVATE, write_whole

DATABASE = AIRFLOW_DATABASE.name
USER = "admin"
PROJECT = ROOT / "airflow"
DBT_PROJECT = ROOT / "dbt"
WRITTEN = (PROJECT, DBT_PROJECT)
"""Folders that its processes install into and build in."""
# What holds wherever Airflow runs, also in containers.
SETTINGS = PROJECT / "settings.env"


def executable(name: str) -> Path:
    """A command of Airflow's environment."""
    return PROJECT / ".venv" / "bin" / name


def batch_settings(layout: Layout) -> Mapping[str, str]:
    """Where the batch side of this system keeps what; what the user has set goes first."""
    paths = {
        "ORDERWATCH_WAREHOUSE_PATH": layout.warehouse,
        "ORDERWATCH_STAGING": layout.staging,
        "ORDERWATCH_DBT_PROJECT": DBT_PROJECT,
    }
    return {name: os.environ.get(name, str(path)) for name, path in paths.items()}


def write_passwords(layout: Layout, credentials: Credentials) -> None:
    """Let the one user in with the password that people are told."""
    layout.airflow.mkdir(mode=0o700, exist_ok=True)
    write_whole(_passwords(layout), json.dumps({USER: credentials.airflow_password}), PRIVATE)


def _passwords(layout: Layout) -> Path:
    return layout.airflow / "passwords.json"


def variables(layout: Layout, credentials: Credentials, port: int, database_url: str) -> Mapping[str, str]:
    """Airflow's own settings: those that hold everywhere, its metadata in our PostgreSQL, its files in our folder."""
    url = f"http://127.0.0.1:{port}"
    encryption = base64.urlsafe_b64encode(hashlib.sha256(credentials.airflow_secret.encode()).digest()).decode()
    return {
        **read_environment(SETTINGS),
        "AIRFLOW_HOME": str(layout.airflow),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": credentials.airflow_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials.airflow_secret,
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": encryption,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords(layout)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url.replace("postgresql://", "postgresql+psycopg://", 1),
    }
