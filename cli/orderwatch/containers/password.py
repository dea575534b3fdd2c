"""The database's password, made at the first start: `python -m orderwatch.containers.password FILE`.

It lies in a volume that only the containers that need it mount, so it stands in no file of the project, no image and
no environment. Standard library only.
"""

import secrets
import sys
from pathlib import Path

from orderwatch.whole_file import write_whole

# Postgres reads it, too, as a user of its own; who may read it is decided by who mounts the volume.
READABLE = 0o444


def main() -> None:
    """Make the file unless it is there: a database keeps the password that it was made with."""
    path = Path(sys.argv[1])
    if not path.exists():
        write_whole(path, secrets.token_urlsafe(24), READABLE)


if __name__ == "__main__":
    main()
