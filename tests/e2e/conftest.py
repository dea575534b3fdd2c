"""A checkout for all end-to-end tests: installing takes longer than most of them do."""

import pytest

from tests.e2e.checkout import Checkout


@pytest.fixture(scope="session")
def clean_checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout with a space in its path and nothing running; who runs something leaves it so."""
    return Checkout(tmp_path_factory.mktemp("clean clone") / "orderwatch")
