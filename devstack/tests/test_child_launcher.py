"""The launcher: a command ends with its parent, and gets the settings meant for it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from devstack.server import LAUNCHER
from order_platform.env_file import read_env_file

PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:])
print(child.pid, flush=True)
child.wait()
"""


def test_the_command_gets_the_variables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "services.env"
    file.write_text("# a comment\nexport SECRET='it''s a %s \"secret\"'\nexport PLAIN=value\n")
    command = [*LAUNCHER, "--env-file", str(file), "--", sys.executable, "-c"]
    shown = subprocess.check_output([*command, "import json, os; print(json.dumps(dict(os.environ)))"])
    assert json.loads(shown).items() >= read_env_file(file).items()
    assert read_env_file(file) == {"SECRET": 'its a %s "secret"', "PLAIN": "value"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no kernel does this")
def test_the_command_ends_when_its_parent_is_killed() -> None:
    command = [*LAUNCHER, "--signal", "TERM", "--", "sleep", "600"]
    with subprocess.Popen([sys.executable, "-c", PARENT, *command], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        while child.name() != "sleep":  # the launcher is still at work
            time.sleep(0.01)
        os.kill(parent.pid, signal.SIGKILL)
        assert psutil.wait_procs([child], timeout=90)[1] == []
