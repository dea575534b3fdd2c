"""Locked artifacts: the lock file, and that nothing else than what is locked gets installed."""

import hashlib
from pathlib import Path

import pytest

from devstack import artifacts
from devstack.artifact_lock import ArtifactError, Coordinates, LockedArtifact, read_lock, write_lock
from devstack.artifacts import fetch
from devstack.kafka import KAFKA_LOCK, KAFKA_ROOTS

JAR = Coordinates("org.example", "thing", "1.0")


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serves for any coordinates a jar that holds their text."""

    def download(coordinates: Coordinates, scratch: Path) -> Path:
        jar = scratch / coordinates.filename
        jar.write_text(str(coordinates))
        return jar

    monkeypatch.setattr(artifacts, "_download", download)


def served(coordinates: Coordinates) -> LockedArtifact:
    return LockedArtifact(coordinates, hashlib.sha256(str(coordinates).encode()).hexdigest())


def test_a_lock_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    locked = (served(JAR), served(Coordinates("org.example", "other", "2.0")))
    write_lock(tmp_path / "lock.txt", "a comment", locked)
    assert read_lock(tmp_path / "lock.txt") == locked


@pytest.mark.parametrize("line", ["org.example:thing:1.0", "org.example:thing sha256=" + "0" * 64, "nonsense"])
def test_a_line_that_is_not_understood_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock.txt").write_text(f"# a comment\n{line}\n")
    with pytest.raises(ArtifactError, match=r"lock\.txt, line 2"):
        read_lock(tmp_path / "lock.txt")


def test_the_committed_lock_holds_the_broker() -> None:
    assert {artifact.coordinates for artifact in read_lock(KAFKA_LOCK)} > set(KAFKA_ROOTS)


@pytest.mark.usefixtures("repository")
def test_fetch_puts_the_locked_jars_into_the_folder(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    others = [Coordinates("org.example", "thing", f"2.{minor}") for minor in range(20)]
    fetch(map(served, [JAR, *others]), tmp_path, lambda done, total: seen.append((done, total)))
    assert {path.name for path in tmp_path.iterdir()} == {each.filename for each in [JAR, *others]}
    assert seen == [(done, 21) for done in range(1, 22)]


@pytest.mark.usefixtures("repository")
def test_a_jar_with_another_checksum_is_named_and_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"thing-1\.0\.jar is not the locked file"):
        fetch([LockedArtifact(JAR, "0" * 64)], tmp_path, lambda _done, _total: None)
    assert not list(tmp_path.iterdir())
