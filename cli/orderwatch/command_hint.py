"""How this command was called: advice names commands as they can be typed here."""

import shlex
import shutil
import sys
from pathlib import Path

NAME = "orderwatch"


def command(*words: str) -> str:
    """A call of `orderwatch` to type next: by name where the shell finds it, else by the path it was called by."""
    program = Path(sys.argv[0])
    by_name = program.name != NAME or Path(shutil.which(NAME) or "") == program
    return shlex.join((NAME if by_name else str(program), *words))
