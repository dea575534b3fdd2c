"""Downloads of Java artifacts, several at a time, each verified against its SHA-256.

The repositories are jgo's: Maven Central, or what the user's jgo configuration names. No address stands here.
"""

import hashlib
import os
import ssl
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import requests
from jgo.config import GlobalSettings
from jgo.constants import MAVEN_CENTRAL_URL
from jgo.maven import MavenContext

from devstack.artifact_lock import ArtifactError, Coordinates, LockedArtifact, Progress

_ATTEMPTS = 3
_PARALLEL = 8


def fetch(artifacts: Iterable[LockedArtifact], folder: Path, progress: Progress) -> None:
    """Download the jars into `folder`, several at a time. Raises ArtifactError, which names the file at fault."""
    todo = {artifact.coordinates: artifact.sha256 for artifact in artifacts}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        for coordinates, jar in _download_all(todo, Path(scratch), progress):
            found = _sha256(jar)
            if found != todo[coordinates]:
                raise ArtifactError(
                    f"{jar.name} is not the locked file: its SHA-256 is {found}, not {todo[coordinates]}",
                    "The download was damaged, or the repository serves something else; it was not installed. "
                    "Try again, or ask who runs the repository.",
                )
            jar.replace(folder / jar.name)


def lock(roots: Iterable[Coordinates], progress: Progress) -> tuple[LockedArtifact, ...]:
    """Resolve what `roots` need at run time, download it all, and return it with checksums."""
    with tempfile.TemporaryDirectory() as scratch:
        context = _maven_context(Path(scratch))
        resolved: set[Coordinates] = set()
        # One root at a time: resolved together, one's managed versions override what the other needs.
        for root in roots:
            inputs, needed = context.resolver.resolve([context.create_dependency(str(root))])
            resolved |= {Coordinates(each.groupId, each.artifactId, each.version) for each in (*inputs, *needed)}
        versions: dict[tuple[str, str], str] = {}
        for each in sorted(resolved):
            other = versions.setdefault((each.group, each.name), each.version)
            if other != each.version:
                raise ArtifactError(f"the roots want {each.group}:{each.name} in versions {other} and {each.version}")
        return tuple(
            sorted(
                LockedArtifact(coordinates, _sha256(jar))
                for coordinates, jar in _download_all(resolved, Path(scratch), progress)
            )
        )


def _download_all(
    wanted: Collection[Coordinates], scratch: Path, progress: Progress
) -> Iterator[tuple[Coordinates, Path]]:
    """Download in a few threads and yield as they arrive; the first failure stops the rest."""
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="download") as pool:
        futures = {pool.submit(_download, coordinates, scratch): coordinates for coordinates in wanted}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                yield futures[future], future.result()
                progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def _download(coordinates: Coordinates, scratch: Path) -> Path:
    """Fetch one jar; its path lies below `scratch`. Tries again when the network stumbles."""
    artifact = (
        _maven_context(scratch).project(coordinates.group, coordinates.name).at_version(coordinates.version).artifact()
    )
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return artifact.resolve()
        except (requests.RequestException, RuntimeError) as error:
            if attempt == _ATTEMPTS:
                raise ArtifactError(
                    f"{coordinates} could not be downloaded: {error}",
                    "Check the network and its proxy settings. Other repositories than Maven Central are set in jgo's "
                    "configuration file, section [repositories].",
                ) from error
            # jgo takes any file that is there for the whole one.
            (artifact.cached_path or scratch).unlink(missing_ok=True)
            time.sleep(attempt)
    raise AssertionError("unreachable")


def _maven_context(scratch: Path) -> MavenContext:
    """Where artifacts come from: what the user configured for jgo, then its default."""
    _trust_system_certificates()
    repositories = GlobalSettings.load().repositories
    return MavenContext(
        repo_cache=scratch,
        remote_repos=repositories | {"central": repositories.get("central", MAVEN_CENTRAL_URL)},
        timeout=30,
    )


def _trust_system_certificates() -> None:
    """Let downloads trust the machine's own certificates, as pip does: a company's proxy has one of its own there."""
    paths = ssl.get_default_verify_paths()
    folder = Path(paths.capath) if paths.capath else None
    store = paths.cafile or (paths.capath if folder is not None and any(folder.iterdir()) else None)
    if store is not None and not {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} & os.environ.keys():
        os.environ["REQUESTS_CA_BUNDLE"] = store


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
