"""`python -m orderwatch.embedded.airflow_process COMPONENT [OPTION ...]`: becomes a process of Airflow, once all is
prepared for it.

Whichever component comes first installs Airflow and dbt and makes the metadata tables; the others wait for it.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from orderwatch.embedded import airflow
from orderwatch.project import ROOT


def main() -> None:
    """Prepare, then become the component."""
    home = Path(os.environ["AIRFLOW_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    with (home / "prepare.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _prepare(home / "prepared")
    command = str(airflow.executable("airflow"))
    os.execv(command, [command, *sys.argv[1:]])


def _prepare(done: Path) -> None:
    for project in ("airflow", "dbt"):
        _run(sys.executable, str(ROOT / "scripts" / "install.py"), "--project", project)
    lock = (airflow.PROJECT / "lock.txt").read_bytes()
    wanted = hashlib.sha256(lock + os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].encode()).hexdigest()
    if done.exists() and done.read_text() == wanted:
        return
    command = str(airflow.executable("airflow"))
    _run(command, "db", "migrate")
    _run(command, "pools", "import", str(airflow.PROJECT / "pools.json"))
    done.write_text(wanted)


def _run(*command: str) -> None:
    completed = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if completed.returncode != 0:
        sys.exit(completed.returncode)


if __name__ == "__main__":
    main()
