"""Staging folders: where a run keeps its extracted files until they are loaded, out of the way of other runs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Final

import structlog

from order_batch.warehouse.file_lock import file_lock, is_locked

log = structlog.get_logger()

_OWNER: Final = "owner"
"""What the lock of a run's folder is named after."""
_KEPT_SECONDS: Final = 24 * 3600.0
"""How long the files of a run that failed or was killed are kept."""


@contextmanager
def staging_folder(parent: Path, kept_seconds: float = _KEPT_SECONDS) -> Iterator[Path]:
    """A folder of this run's own below `parent`, deleted at its end, but kept with its files after an error.

    What earlier runs left there is deleted once it is older than `kept_seconds`: it holds customers' data. The folder
    of a run that is still alive stays, whatever its age: that run holds its lock.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent, kept_seconds)
    folder = Path(mkdtemp(prefix="run-", dir=parent))
    with file_lock(folder / _OWNER):
        try:
            yield folder
        except Exception:
            log.warning("staged_files_kept", folder=str(folder), hours=kept_seconds / 3600)
            raise
        rmtree(folder)


def _sweep(parent: Path, kept_seconds: float) -> None:
    """Delete folders that no living run owns; those of releases without locks, too."""
    for folder in [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink()]:
        try:
            if time.time() - folder.stat().st_mtime >= kept_seconds and not is_locked(folder / _OWNER):
                rmtree(folder)
                log.info("staged_files_deleted", folder=str(folder))
        except FileNotFoundError:  # another run has just deleted it
            continue
