"""What the tests of every package may ask for: see tests/support/fixtures.py and command.py."""

from hypothesis import settings

pytest_plugins = ["tests.support.fixtures", "tests.support.command"]

# A busy machine makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
