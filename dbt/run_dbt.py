"""dbt's command line as `order-batch` runs it: `.venv/bin/python run_dbt.py build ...`.

Events come as lines of JSON, like those of `--log-format json`, which makes a line of each debug event, too, before it
drops it: a build has 1,500 of them. And what was imported is not searched for reference cycles again and again.
"""

import gc
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from dbt.cli.main import cli
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from dbt_common.events.functions import msg_to_json

_NOT_SHOWN: Final = frozenset({"debug", "test"})


def show(event: EventMsg) -> None:
    """Print an event."""
    if event.info.level not in _NOT_SHOWN:
        sys.stdout.write(f"{msg_to_json(event)}\n")
        sys.stdout.flush()


def run(arguments: Sequence[str], manifest: Manifest | None = None) -> NoReturn:
    """Run a command and exit with its code; `manifest` is the project where it has been parsed before."""
    context = {"manifest": manifest, "callbacks": [show]}
    sys.exit(cli.main([*arguments, "--log-level", "none"], prog_name="dbt", obj=context))


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(50_000)
    run(sys.argv[1:])
