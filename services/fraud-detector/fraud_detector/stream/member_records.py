"""Records of a consumer group's members that run on this machine, to remove those that were killed from the group.

A member that is killed cannot leave its group, and the broker keeps its partitions for it until its session time-out
is over. So each writes its member id to a file that is locked while its process lives: a file that is not locked
belongs to a process that has ended, and the next one that starts removes that member.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Final
from uuid import uuid4

from order_platform.atomic_write import PRIVATE

_LONGEST_ID: Final = 1_000


class MemberRecords:
    """The members of one group whose processes share a directory, which must belong to one machine."""

    def __init__(self, directory: Path, group: str) -> None:
        self._directory = directory
        self._begin = f"{blake2b(group.encode(), digest_size=8).hexdigest()}-"
        self._path = directory / f"{self._begin}{uuid4().hex}.member"
        self._file: FileIO | None = None

    def write(self, member_id: str) -> None:
        """Record the id of this process as a member, in place of an earlier one. Raises OSError."""
        if self._file is None:
            self._file = self._create()
        content = member_id.encode()
        os.pwrite(self._file.fileno(), content, 0)
        self._file.truncate(len(content))

    def delete(self) -> None:
        """Delete the record of this process, which has left the group."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            file.close()

    @contextmanager
    def ended_members(self) -> Iterator[Sequence[str]]:
        """The ids of members whose processes have ended; their records are deleted unless an error is raised.

        While it is open, no other process is given the same ones. Raises OSError.
        """
        with ExitStack() as stack:
            found: dict[Path, str] = {}
            for path in sorted(self._directory.glob(f"{self._begin}*.member")):
                with suppress(FileNotFoundError):
                    file = stack.enter_context(path.open("rb"))
                    # A file that is locked is a living member's, or at the moment another process's that removes it.
                    with suppress(BlockingIOError):
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        found[path] = file.read(_LONGEST_ID).decode(errors="replace")
            yield [member_id for member_id in found.values() if member_id]
            for path in found:
                path.unlink(missing_ok=True)

    def _create(self) -> FileIO:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Under another name until it is locked, so that no process takes it for that of an ended member.
        partial = self._path.with_name(f".{self._path.name}.partial")
        file = FileIO(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.replace(self._path)
        except BaseException:
            file.close()
            partial.unlink(missing_ok=True)
            raise
        return file
