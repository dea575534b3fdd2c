"""The `orderwatch` command in tests.

orderwatch           runs it with a home of its own, where nothing runs
elsewhere            the environment names a system: `kafka_settings` and `database_url`
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from order_platform.settings import KafkaSettings
from orderwatch.cli import build_application

Orderwatch = Callable[..., Result]


@pytest.fixture
def orderwatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Orderwatch:
    """Runs a command with a home of its own, where nothing runs."""
    monkeypatch.setenv("ORDERWATCH_HOME", str(tmp_path))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(build_application(arguments[:1]), arguments)

    return run


@pytest.fixture
def elsewhere(kafka_settings: KafkaSettings, database_url: str, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """The environment names a system."""
    monkeypatch.setenv("ORDERWATCH_DATABASE_URL", database_url)
    for name in ("kafka", "orders_topic", "decisions_topic", "dead_letter_topic", "labels_topic", "consumer_group"):
        monkeypatch.setenv(f"ORDERWATCH_{name.upper()}", getattr(kafka_settings, name))
    return kafka_settings
