"""`orderwatch env`: the settings that clients need, for a shell."""

from typing import Annotated

import typer

from order_platform.command_line.settings_errors import read_settings
from orderwatch.embedded.layout import Layout
from orderwatch.errors import NotUpError
from orderwatch.settings import EmbeddedSettings


def env(
    admin: Annotated[
        bool, typer.Option("--admin", help="Those of an administrator: for redriving, managing keys, dead letters.")
    ] = False,
) -> None:
    """Print where the system is and a key for it, as variables: eval "$(orderwatch env)".

    The key is for reading and reviewing, and the database role for reading; --admin gives those that may more.
    """
    layout = Layout(read_settings(EmbeddedSettings).home)
    files = (layout.host_admin_env, layout.admin_env) if admin else (layout.host_env, layout.env)
    for file in files:
        if file.exists():
            typer.echo(file.read_text(), nl=False)
            return
    raise NotUpError(f"there is no system here: {files[-1]} is missing", "Run `make up`, or `docker compose up`.")
