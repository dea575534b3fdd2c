"""Launcher of child processes: becomes the command, which ends when its parent does, however that ends.

    python child_launcher.py [--signal NAME] [--env-file FILE] -- COMMAND ...

A supervisor that is killed outright cannot stop what it started; the kernel does it instead (Linux; elsewhere this is
a plain exec). Settings that hold secrets come from a file, so that they are in no argument list and reach only the
processes that need them. Where root starts it, the command keeps none of root's capabilities (capabilities(7)): it
reaches the files that root owns, and nothing else. Standard library only: it starts before every process.
"""

import argparse
import ctypes
import os
import shlex
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
SETPCAP = 8
"""The capability that giving up the others takes."""
_CAPABILITY_VERSION_3 = 0x20080522


def main() -> None:
    """Parse the arguments and become the command."""
    divider = sys.argv.index("--")
    command = sys.argv[divider + 1 :]
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--signal", default="KILL", help="what the command gets when its parent ends (default: KILL)")
    parser.add_argument("--env-file", type=Path, help="lines of NAME=value to add to the environment")
    arguments = parser.parse_args(sys.argv[1:divider])
    parent = os.getppid()
    if sys.platform == "linux":
        give_up_capabilities()
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.Signals[f"SIG{arguments.signal}"])
        if os.getppid() != parent:
            sys.exit("the parent ended before the command started")
    environment = dict(os.environ)
    if arguments.env_file is not None:
        environment |= _read_env_file(arguments.env_file)
    os.execvpe(command[0], command, environment)


def give_up_capabilities() -> None:
    """Drop every capability, such that no command that is started from here on gets one back."""
    system = ctypes.CDLL(None, use_errno=True)
    if SETPCAP in held_capabilities():
        for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
            system.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    system.capset(header, (ctypes.c_uint32 * 6)())
    system.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def held_capabilities() -> set[int]:
    """The numbers of the capabilities that this process has; none where the system knows none."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return set()
    held = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return {bit for bit in range(held.bit_length()) if held & 1 << bit}


def _read_env_file(path: Path) -> dict[str, str]:
    """The same as order_platform.env_file.read_env_file, which cannot be imported from here."""
    parts = shlex.split(path.read_text(), comments=True)
    return dict(part.split("=", 1) for part in parts if part != "export")


if __name__ == "__main__":
    main()
