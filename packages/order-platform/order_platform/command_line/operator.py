"""Who runs a command, for entries that name their author."""

import getpass
import os
import socket


def current_operator() -> str:
    """User and machine: `ana@laptop`."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # the user has no entry in the password database, as in some containers
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
