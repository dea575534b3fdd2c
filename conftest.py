"""What the tests of every package may ask for: see tests/support/fixtures.py."""

from hypothesis import settings

pytest_plugins = ["tests.support.fixtures"]

# A busy machine makes an example slow, not wrong.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
