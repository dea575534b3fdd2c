"""Privileges of the processes when root starts them: nothing beyond what files that root owns allow.

PostgreSQL refuses to run as root, so it runs as an unprivileged user. No process keeps a capability (capabilities(7)),
except the supervisor, which keeps what it takes to start and signal a process of another user.
"""

import contextlib
import hashlib
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from devstack.child_launcher import SETPCAP, held_capabilities
from devstack.server import LAUNCHER
from order_platform.command_line.errors import CommandError

SUPERVISOR_CAPABILITIES: Final = ("kill", "setgid", "setuid", "setpcap")
UNPRIVILEGED_USER: Final = "nobody"
SHARED_PROGRAMS: Final = Path("/var/cache/orderwatch")
"""For copies of PostgreSQL's programs, where the unprivileged user cannot reach the installed ones."""


def command_for_server(command: list[str], *, end_signal: str, folder: str) -> list[str]:
    """`command` such that it gets `end_signal` when its parent ends, and is not run as root.

    It is to be started in the folder above `folder`. As root, it is started in `folder`, named /proc/self/cwd: so the
    unprivileged user reaches its own folder also below one that only root may enter, such as /root.
    """
    if os.geteuid() != 0:
        return [*LAUNCHER, "--signal", end_signal, "--", *command]
    # The kernel forgets the signal when the user changes, so setpriv sets both, in the right order.
    return [*_as_unprivileged_user(), "--pdeathsig", end_signal, "env", f"--chdir={folder}", *command]


def unprivileged_command(command: list[str], *, folder: str) -> list[str]:
    """`command` such that it is not run as root; `folder` as above."""
    return command if os.geteuid() != 0 else [*_as_unprivileged_user(), "env", f"--chdir={folder}", *command]


def command_for_supervisor(command: list[str]) -> list[str]:
    """`command` such that it keeps only the capabilities that a supervisor needs."""
    if not _may_limit_capabilities():
        return command
    kept = ",".join(f"+{name}" for name in SUPERVISOR_CAPABILITIES)
    return [_setpriv(), "--inh-caps=-all", f"--bounding-set=-all,{kept}", *command]


def require_access(folders: Iterable[Path]) -> None:
    """Raise CommandError unless root may enter and change these folders by owning them, without capabilities."""
    if not _may_limit_capabilities():
        return
    for folder in folders:
        command = [_setpriv(), "--inh-caps=-all", "--bounding-set=-all", "test", "-w", str(folder), "-a", "-x"]
        if subprocess.run([*command, str(folder)], check=False).returncode != 0:
            owner = folder.stat().st_uid
            raise CommandError(
                f"{folder} belongs to user {_user_name(owner)}, and root may change it only by overriding that, which "
                "Orderwatch's processes do not do",
                f"Run this as {_user_name(owner)}, or give the folder to root.",
            )


def give_to_server_user(path: Path) -> None:
    """Give a file or folder to the user who runs the server."""
    if os.geteuid() == 0:
        user = pwd.getpwnam(UNPRIVILEGED_USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def reachable_programs(installed: Path, parts: Sequence[str], samples: Iterable[str], identity: str) -> Path:
    """The folder with the server's programs: the installed one, or a copy that the unprivileged user can reach.

    `parts` are the folders in it that are theirs, `samples` files, one of each place that matters; `identity` changes
    when the content of these does.
    """
    if os.geteuid() != 0:
        return installed
    readable = [word for sample in samples for word in ("-a", "-r", str(installed / sample))][1:]
    if subprocess.run([*_as_unprivileged_user(), "test", *readable], check=False).returncode == 0:
        return installed
    copy = SHARED_PROGRAMS / f"postgresql-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    try:
        _make_shared_folder()
        if not copy.exists():
            _copy_readable(installed, parts, copy)
    except OSError as error:
        raise CommandError(
            f"user {UNPRIVILEGED_USER}, who runs PostgreSQL for root, may not enter {installed}, and its programs "
            f"cannot be copied to {SHARED_PROGRAMS}: {error}",
            "Run this as a user other than root, or from a folder that other users may enter.",
        ) from error
    return copy


def _make_shared_folder() -> None:
    SHARED_PROGRAMS.mkdir(parents=True, exist_ok=True)
    found = SHARED_PROGRAMS.lstat()
    if found.st_uid != 0 or not stat.S_ISDIR(found.st_mode):
        raise PermissionError(f"{SHARED_PROGRAMS} is not a folder of root's")
    SHARED_PROGRAMS.chmod(0o755)  # whatever the umask


def _copy_readable(source: Path, parts: Iterable[str], target: Path) -> None:
    """Complete or not at all: made under another name, then renamed."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as scratch:
        partial = Path(scratch) / target.name
        for part in parts:
            shutil.copytree(source / part, partial / part, symlinks=True, ignore=shutil.ignore_patterns("include"))
        for folder, _, files in os.walk(partial):
            Path(folder).chmod(0o755)
            for file in (Path(folder, name) for name in files):
                if not file.is_symlink():
                    file.chmod(0o755 if file.stat().st_mode & stat.S_IXUSR else 0o644)
        with contextlib.suppress(OSError):  # another command was faster
            partial.rename(target)


def _as_unprivileged_user() -> list[str]:
    user = pwd.getpwnam(UNPRIVILEGED_USER)
    command = [_setpriv(), f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
    # Without this right nothing is dropped here, but changing the user drops what is held, too.
    return [*command, *(("--inh-caps=-all", "--bounding-set=-all") if SETPCAP in held_capabilities() else ())]


def _may_limit_capabilities() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and SETPCAP in held_capabilities()


def _setpriv() -> str:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CommandError(
            "PostgreSQL does not run as root, and setpriv is missing, which would run it as another user",
            "Install util-linux, or run this as a user other than root.",
        )
    return setpriv


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
