"""Hints in messages: which command to type next, as this shell can call it."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "orderwatch"


def command_hint(*words: str) -> str:
    """A call of `orderwatch` to type next: by name where the shell finds it, else by the path it was called by."""
    program = Path(sys.argv[0])
    by_name = program.name != NAME or Path(shutil.which(NAME) or "") == program
    return shlex.join((NAME if by_name else str(program), *words))
