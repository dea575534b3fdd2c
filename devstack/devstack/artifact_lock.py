"""Lock file of Java artifacts: Maven coordinates, each with the SHA-256 of its jar."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from order_platform.command_line.errors import CommandError

_LINE = re.compile(r"(?P<group>[^\s:]+):(?P<name>[^\s:]+):(?P<version>[^\s:]+) sha256=(?P<sha256>[0-9a-f]{64})")


Progress = Callable[[int, int], None]
"""Called with (fetched, total) after each jar."""


class ArtifactError(CommandError):
    """An artifact that cannot be had, or is not what the lock says."""


@dataclass(frozen=True, slots=True, order=True)
class Coordinates:
    """What Maven calls an artifact by."""

    group: str
    name: str
    version: str

    @classmethod
    def parse(cls, text: str) -> "Coordinates":
        """From `group:name:version`."""
        return cls(*text.split(":"))

    @property
    def filename(self) -> str:
        """The jar's name."""
        return f"{self.name}-{self.version}.jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"


@dataclass(frozen=True, slots=True, order=True)
class LockedArtifact:
    """An artifact and the SHA-256 of its jar."""

    coordinates: Coordinates
    sha256: str

    def __str__(self) -> str:
        return f"{self.coordinates} sha256={self.sha256}"


def read_lock(path: Path) -> tuple[LockedArtifact, ...]:
    """The artifacts in a lock file: one a line, `#` begins a comment. A line that is neither is named and refused."""
    artifacts = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ArtifactError(
                f"{path.name}, line {number}: expected 'group:name:version sha256=...', got {line!r}",
                "run `make lock` to write the file again",
            )
        artifacts.append(LockedArtifact(Coordinates(match["group"], match["name"], match["version"]), match["sha256"]))
    return tuple(artifacts)


def write_lock(path: Path, comment: str, artifacts: Iterable[LockedArtifact]) -> None:
    """Write a lock file that `read_lock` reads."""
    path.write_text("\n".join([f"# {comment}", *map(str, artifacts)]) + "\n")
