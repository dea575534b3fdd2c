"""Provisioning of passwords: `python -m orderwatch.provisioning.database_passwords SUPERUSER ROLES` makes missing ones.

The superuser's is the file SUPERUSER; each role of order_platform/postgres/roles.py has a file in a folder of its name
below ROLES. Each is in a volume that only the containers that need it mount, so no file of the project, image or
environment holds it.
"""

import secrets
import sys
from pathlib import Path

from order_platform.atomic_write import PRIVATE, write_atomically
from order_platform.postgres.roles import DatabaseRole

# Postgres reads it, too, as a user of its own; who may read it is decided by who mounts the volume.
READABLE = 0o444
FILE = "database-password"


def role_file(folder: Path, role: DatabaseRole) -> Path:
    """Where a role's password is."""
    return folder / role.removeprefix("orderwatch_") / FILE


def main() -> None:
    """Make the files that are missing: a database keeps the passwords that it was given."""
    superuser, roles = map(Path, sys.argv[1:3])
    for path, mode in ((superuser, READABLE), *((role_file(roles, role), PRIVATE) for role in DatabaseRole)):
        if not path.exists():
            write_atomically(path, secrets.token_urlsafe(24), mode)


if __name__ == "__main__":
    main()
