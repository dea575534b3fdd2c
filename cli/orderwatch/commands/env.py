"""`orderwatch env`: the settings that clients need, for a shell."""

import typer

from orderwatch.embedded.layout import Layout
from orderwatch.errors import NotUpError
from orderwatch.settings import EmbeddedSettings


def env() -> None:
    """Print where the system is and a key for it, as variables: eval "$(orderwatch env)"."""
    layout = Layout(EmbeddedSettings().home)
    for file in (layout.host_env, layout.env):
        if file.exists():
            typer.echo(file.read_text(), nl=False)
            return
    raise NotUpError(f"there is no system here: {layout.env} is missing", "Run `make up`, or `docker compose up`.")
