"""Files that are written whole or not at all: a full disk leaves what was there before."""

import os
from pathlib import Path

PRIVATE = 0o600
"""For secrets: only the owner may read."""


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Put a file in place of what was there."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:  # noqa: PTH123
        file.write(text)
    partial.replace(path)
