"""Settings of the system that is asked: from the environment, else from the one that was started in this checkout.

Standard library only: every command comes through here before it does anything.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.env_file import read_env_file

ROOT = Path(__file__).parents[2]
"""The checkout, where there is one."""
CLIENT_ENV = "env"
"""For people who ask: where the system is, and a key for it."""
ADMIN_ENV = "admin.env"
MIGRATE_ENV = "migrate.env"
ADDRESSES = ("ORDERWATCH_API_URL", "ORDERWATCH_KAFKA", "ORDERWATCH_DATABASE_URL")


def home_folder() -> Path:
    """Where the files of this checkout's system are."""
    return Path(os.path.expanduser(os.environ.get("ORDERWATCH_HOME") or ROOT / ".orderwatch"))  # noqa: PTH111


def read_variables(file: str = CLIENT_ENV) -> Mapping[str, str]:
    """The environment, over what was written down when this checkout's system came up, unless it names another one.

    `file` is whose settings: `env` is for people who ask.
    """
    return {**_read_written(file), **{name: value for name, value in os.environ.items() if value}}


def _read_written(file: str) -> Mapping[str, str]:
    """What was written down, if it is about the system that is asked.

    It is one system or the other: this checkout's key must not be sent to an API elsewhere, nor a broker elsewhere be
    compared with this checkout's database.
    """
    path = home_folder() / file
    try:
        written = read_env_file(path)
    except FileNotFoundError:
        return {}
    except (ValueError, NotADirectoryError):
        raise CommandError(f"{path} cannot be read as variables", "Run `make up` to write it again.") from None
    elsewhere = any(
        _host_and_port(os.environ.get(name, "")) != _host_and_port(written.get(name, "")) for name in _named_addresses()
    )
    return {} if elsewhere else written


def not_set_error(name: str) -> UnavailableError:
    """The error for a setting that a command cannot do without."""
    if _named_addresses():
        return UnavailableError(
            f"{name} is not set",
            f"The environment names a system by {' and '.join(_named_addresses())}, so nothing is taken from this "
            f"checkout: set {name}, too.",
        )
    return UnavailableError(
        f"there is no system here: {name} is not set, and nothing was started in this checkout",
        f"Run `make up`; for a system elsewhere, set {name}.",
    )


def reach_advice(setting: str) -> str:
    """What to do about something that does not respond."""
    return f"{setting} says where it is; `make status` shows what runs in this checkout, `make up` starts it."


def _named_addresses() -> list[str]:
    """The addresses that the environment gives, as they are or in files."""
    return [name for name in ADDRESSES if os.environ.get(name) or os.environ.get(f"{name}_FILE")]


def _host_and_port(address: str) -> str:
    """Host and port of a URL without its user; bootstrap servers as they are."""
    try:
        return urlsplit(address).netloc.rpartition("@")[2] or address
    except ValueError:  # a bracket that is not closed, for example: it is refused where it is used
        return address
