"""What Airflow needs before it starts: `python -m orderwatch.containers.airflow FOLDER` makes its secrets, and the
password of its one user, and its database where an administrator has not.

They lie in a volume that only Airflow's containers mount, a file each, so that they stand in no file of the project,
no image and no environment.
"""

import asyncio
import base64
import json
import secrets
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from order_platform.settings import DatabaseSettings
from orderwatch import queries
from orderwatch.embedded.airflow import DATABASE, USER
from orderwatch.whole_file import PRIVATE, write_whole


async def prepare(folder: Path) -> None:
    """Make what is not there; the database's URL is written each time, as its password may have changed."""
    url = DatabaseSettings().database_url.get_secret_value()
    connection = await asyncpg.connect(url)
    try:
        await queries.ensure_database(connection, DATABASE)
    finally:
        await connection.close()
    metadata = urlsplit(url)._replace(scheme="postgresql+psycopg", path=f"/{DATABASE}")
    write_whole(folder / "database-url", urlunsplit(metadata), PRIVATE)
    for name, secret in _new_secrets().items():
        if not (folder / name).exists():
            write_whole(folder / name, secret, PRIVATE)


def _new_secrets() -> dict[str, str]:
    return {
        "api-secret": secrets.token_urlsafe(48),
        "jwt-secret": secrets.token_urlsafe(48),
        "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "passwords.json": json.dumps({USER: secrets.token_urlsafe(12)}) + "\n",
    }


if __name__ == "__main__":
    asyncio.run(prepare(Path(sys.argv[1])))
