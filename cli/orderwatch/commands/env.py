"""`orderwatch env`: the settings that clients need, for a shell."""

from typing import Annotated

import typer

from order_platform.command_line.errors import UnavailableError
from orderwatch.environment import ADMIN_ENV, CLIENT_ENV, home_folder


def env(
    admin: Annotated[
        bool, typer.Option("--admin", help="Those of an administrator: for redriving, managing keys, dead letters.")
    ] = False,
) -> None:
    """Print where the system is and a key for it, as variables: eval "$(orderwatch env)".

    The key is for reading and reviewing, and the database role for reading; --admin gives those that may more.
    """
    home = home_folder()
    name = ADMIN_ENV if admin else CLIENT_ENV
    # Outside of containers the system has other addresses.
    files = (home / f"host.{name}", home / name)
    for file in files:
        if file.exists():
            typer.echo(file.read_text(), nl=False)
            return
    raise UnavailableError(f"there is no system here: {files[-1]} is missing", "Run `make up`, or `docker compose up`.")
