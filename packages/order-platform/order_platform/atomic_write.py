"""Atomic file writes: a full disk leaves the previous content in place."""

import os
from pathlib import Path

PRIVATE = 0o600
"""Mode of files with secrets: only the owner may read."""


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace the file's content, completely or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:  # noqa: PTH123
        file.write(text)
    partial.replace(path)
