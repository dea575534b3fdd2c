"""What the tests of every package may ask for: see tests/support/fixtures.py and command.py."""

import gc
import signal

import structlog
from hypothesis import settings

pytest_plugins = ["tests.support.fixtures", "tests.support.command", "tests.support.workbench_fixtures"]

# What is imported and collected stays: to search it for cycles again and again took a seventh of the tests' time.
gc.set_threshold(50_000)


def pytest_collection_finish() -> None:
    """Leave it out of later searches."""
    gc.freeze()


# A busy machine makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Colouring the source of every frame of a logged traceback took most of the time of the API's tests.
*processors, _ = structlog.get_config()["processors"]
plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*processors, plain])

# A shell without job control, or nohup, starts processes with these ignored, which children inherit: tests that send
# them to a process would wait for ever. A handler that does nothing ignores them here, and is not inherited.
for ignorable in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(ignorable) is signal.SIG_IGN:
        signal.signal(ignorable, lambda *_: None)
