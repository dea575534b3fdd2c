"""Running PostgreSQL as root: it refuses, so it runs as user nobody, who may read what root may."""

import os
import pwd
import shutil
from pathlib import Path

from orderwatch.embedded.server import LAUNCHER
from orderwatch.errors import OrderwatchError

# Let nobody pass folders that only root may enter, such as /root: the first of these that we have ourselves.
# Reading suffices; containers often lack it, and have the wider one.
_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}
# Changes the kernel's rules for what follows, which we need for access(2): it asks in the name of the user alone,
# and PostgreSQL looks for its own binaries that way.
_SETPCAP = 8


def command_for_server(command: list[str], *, end_signal: str) -> list[str]:
    """`command` such that it gets `end_signal` when its parent ends, and is not run as root."""
    if os.geteuid() != 0:
        return [*LAUNCHER, "--signal", end_signal, "--", *command]
    # The kernel forgets the signal when the user changes, so setpriv sets both, in the right order.
    return [*_as_nobody(), "--pdeathsig", end_signal, *command]


def unprivileged(command: list[str]) -> list[str]:
    """`command` such that it is not run as root."""
    return command if os.geteuid() != 0 else [*_as_nobody(), *command]


def own(path: Path) -> None:
    """Give a file or folder to the user who runs the server."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def _as_nobody() -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise OrderwatchError(
            "PostgreSQL does not run as root, and setpriv is missing, which would run it as another user",
            "Install util-linux, or run this as a user other than root.",
        )
    nobody = pwd.getpwnam("nobody")
    command = [setpriv, f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    held = _held_capabilities()
    capability = next((name for name, bit in _CAPABILITIES.items() if bit in held), None)
    if capability is not None:
        command += [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"]
        if _SETPCAP in held:
            command.append("--securebits=+no_setuid_fixup")
    return command


def _held_capabilities() -> set[int]:
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return {bit for bit in range(held.bit_length()) if held & 1 << bit}
