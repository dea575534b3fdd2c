"""Provisioning of database roles: `python -m orderwatch.provisioning.database_roles FOLDER`, where passwords are.

Connects as the superuser, which nothing else does. Data of an earlier release is given to the roles in place.
"""

import asyncio
import sys
from pathlib import Path

from order_platform.postgres.provisioning import AIRFLOW_DATABASE, ORDERS_DATABASE, create_roles, provision_database
from order_platform.postgres.roles import DatabaseRole
from order_platform.settings import DatabaseSettings
from orderwatch.provisioning.database_passwords import role_file


async def provision_roles(folder: Path) -> None:
    """Create what is missing, and bring the rest to what it must be."""
    administrator = DatabaseSettings().database_url.get_secret_value()
    await create_roles(administrator, {role: role_file(folder, role).read_text() for role in DatabaseRole})
    for database in (ORDERS_DATABASE, AIRFLOW_DATABASE):
        await provision_database(administrator, database)


if __name__ == "__main__":
    asyncio.run(provision_roles(Path(sys.argv[1])))
