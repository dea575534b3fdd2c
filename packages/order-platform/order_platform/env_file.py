"""Files of `export NAME=value` lines, which a shell can source."""

import shlex
from collections.abc import Mapping
from pathlib import Path


def read_env_file(path: Path) -> dict[str, str]:
    """The variables in the file, as a shell would read them. Raises ValueError where a line is not an assignment."""
    parts = shlex.split(path.read_text(), comments=True)
    return dict(part.split("=", 1) for part in parts if part != "export")


def format_env_file(variables: Mapping[str, str]) -> str:
    """The text of a file that `read_env_file` and a shell can read."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
