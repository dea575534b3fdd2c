"""What the tests of the containers share."""

import pytest

from tests.containers import engine


@pytest.fixture(scope="session")
def docker() -> None:
    """An engine with everything it needs, or the test is skipped."""
    if (reason := engine.missing()) is not None:
        pytest.skip(reason)
