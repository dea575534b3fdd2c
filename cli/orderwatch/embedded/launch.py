"""Runs a command in this process' place, such that it ends when its parent does, however that ends.

    python launch.py [--signal NAME] [--env-file FILE] -- COMMAND ...

A supervisor that is killed outright cannot stop what it started; the kernel does it instead (Linux; elsewhere this is
a plain exec). Settings that hold secrets come from a file, so that they stand in no argument list and reach only those
who need them. Standard library only: it starts in front of every process.
"""

import argparse
import ctypes
import os
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

PR_SET_PDEATHSIG = 1


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
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.Signals[f"SIG{arguments.signal}"])
        if os.getppid() != parent:
            sys.exit("the parent ended before the command started")
    environment = dict(os.environ)
    if arguments.env_file is not None:
        environment |= read_environment(arguments.env_file)
    os.execvpe(command[0], command, environment)


def read_environment(path: Path) -> dict[str, str]:
    """The variables in a file of `export NAME=value` lines, as a shell would read them."""
    words = shlex.split(path.read_text(), comments=True)
    return dict(word.split("=", 1) for word in words if word != "export")


def exports(variables: Mapping[str, str]) -> str:
    """Such a file's text."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


if __name__ == "__main__":
    main()
