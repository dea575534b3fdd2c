"""How to reach the broker and the database of the system that is asked."""

import os
from typing import Any, TypeVar

from order_platform.command_line.settings_errors import read_settings
from order_platform.settings import DatabaseSettings, KafkaSettings, ProcessSettings
from orderwatch.environment import not_set, variables

Settings = TypeVar("Settings", bound=ProcessSettings)


def kafka_settings() -> KafkaSettings:
    """The broker with the topics' names. Raises NotUpError when no setting says where it is."""
    return _given(KafkaSettings, "kafka")


def database_settings(file: str = "env") -> DatabaseSettings:
    """The database, as the role that a file of this checkout's system names; NotUpError when nothing says where."""
    return _given(DatabaseSettings, "database_url", file)


def _given(kind: type[Settings], required: str, file: str = "env") -> Settings:
    given = variables(file)
    names = {field: f"ORDERWATCH_{field.upper()}" for field in kind.model_fields}
    # What the environment holds is read from there by the class itself, with all the ways that it knows.
    written: dict[str, Any] = {
        field: given[name] for field, name in names.items() if name in given and not os.environ.get(name)
    }
    settings = read_settings(kind, **written)
    # Its default is for processes that `up` starts; a person is told rather than shown some other system.
    if required not in settings.model_fields_set:
        raise not_set(f"ORDERWATCH_{required.upper()}")
    return settings
