"""Provisioning of Airflow: `python -m orderwatch.provisioning.airflow_secrets FOLDER` makes its secrets, its
user's password, and its database where an administrator has not made it.

Each secret is a file in a volume that only Airflow's containers mount, so that no file of the project, image or
environment holds it.
"""

import asyncio
import base64
import json
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.postgres.provisioning import AIRFLOW_DATABASE, ensure_database
from order_platform.settings import DatabaseSettings

USER = "admin"


async def provision_airflow(folder: Path) -> None:
    """Make what is not there; the database's URL is written each time, as its password may have changed."""
    url = DatabaseSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(url)
    try:
        await ensure_database(connection, AIRFLOW_DATABASE.name)
    finally:
        await connection.close()
    metadata = urlsplit(url)._replace(scheme="postgresql+psycopg", path=f"/{AIRFLOW_DATABASE.name}")
    write_atomically(folder / "database-url", urlunsplit(metadata), PRIVATE)
    for name, secret in _new_secrets().items():
        if not (folder / name).exists():
            write_atomically(folder / name, secret, PRIVATE)


def _new_secrets() -> dict[str, str]:
    return {
        "api-secret": secrets.token_urlsafe(48),
        "jwt-secret": secrets.token_urlsafe(48),
        "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "passwords.json": json.dumps({USER: secrets.token_urlsafe(12)}) + "\n",
    }


if __name__ == "__main__":
    asyncio.run(provision_airflow(Path(sys.argv[1])))
