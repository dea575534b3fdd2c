"""Airflow in the embedded system: its settings, and `python -m devstack.airflow COMPONENT [OPTION ...]`, which installs
Airflow where it is missing and then becomes one of its processes.

The component that comes first installs Airflow and dbt and makes the metadata tables; the others wait for it.
"""

import base64
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from devstack.credentials import Credentials
from devstack.paths import ROOT, SystemPaths
from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.env_file import read_env_file
from order_platform.postgres.provisioning import AIRFLOW_DATABASE

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


def batch_settings(paths: SystemPaths) -> Mapping[str, str]:
    """Where the batch side of this system keeps what; what the user has set goes first."""
    defaults = {
        "ORDERWATCH_WAREHOUSE_PATH": paths.warehouse,
        "ORDERWATCH_STAGING": paths.staging,
        "ORDERWATCH_DBT_PROJECT": DBT_PROJECT,
    }
    return {name: os.environ.get(name, str(path)) for name, path in defaults.items()}


def write_passwords(paths: SystemPaths, credentials: Credentials) -> None:
    """Write the password file of the one user."""
    paths.airflow.mkdir(mode=0o700, exist_ok=True)
    write_atomically(_passwords_file(paths), json.dumps({USER: credentials.airflow_password}), PRIVATE)


def _passwords_file(paths: SystemPaths) -> Path:
    return paths.airflow / "passwords.json"


def airflow_variables(paths: SystemPaths, credentials: Credentials, port: int, database_url: str) -> Mapping[str, str]:
    """Airflow's own settings: those that hold everywhere, its metadata in our PostgreSQL, its files in our folder."""
    url = f"http://127.0.0.1:{port}"
    encryption = base64.urlsafe_b64encode(hashlib.sha256(credentials.airflow_secret.encode()).digest()).decode()
    return {
        **read_env_file(SETTINGS),
        "AIRFLOW_HOME": str(paths.airflow),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__SECRET_KEY": credentials.airflow_secret,
        "AIRFLOW__API_AUTH__JWT_SECRET": credentials.airflow_secret,
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__FERNET_KEY": encryption,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(_passwords_file(paths)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url.replace("postgresql://", "postgresql+psycopg://", 1),
    }


def main() -> None:
    """Prepare, then become the component."""
    home = Path(os.environ["AIRFLOW_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    with (home / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_and_migrate(home / "prepared")
    command = str(executable("airflow"))
    os.execv(command, [command, *sys.argv[1:]])


def _install_and_migrate(done: Path) -> None:
    for project in ("airflow", "dbt"):
        _run(sys.executable, str(ROOT / "scripts" / "install.py"), "--project", project)
    lock = (PROJECT / "lock.txt").read_bytes()
    wanted = hashlib.sha256(lock + os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].encode()).hexdigest()
    if done.exists() and done.read_text() == wanted:
        return
    command = str(executable("airflow"))
    _run(command, "db", "migrate")
    _run(command, "pools", "import", str(PROJECT / "pools.json"))
    done.write_text(wanted)


def _run(*command: str) -> None:
    completed = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if completed.returncode != 0:
        sys.exit(completed.returncode)


if __name__ == "__main__":
    main()
