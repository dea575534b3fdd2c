"""What the tests of every package may ask for: see tests/support/fixtures.py and command.py."""

import signal

from hypothesis import settings

pytest_plugins = ["tests.support.fixtures", "tests.support.command"]

# A busy machine makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# A shell without job control starts background processes with Ctrl-C ignored, and they hand that on: tests that send
# SIGINT to a process of theirs would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
