"""Which system is asked: the one that the environment names, else the one that was started in this checkout.

Standard library only: every command comes through here before it does anything.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from orderwatch.embedded.launch import read_environment
from orderwatch.errors import NotUpError, OrderwatchError
from orderwatch.project import ROOT

ADDRESSES = ("ORDERWATCH_API_URL", "ORDERWATCH_KAFKA", "ORDERWATCH_DATABASE_URL")


def variables(file: str = "env") -> Mapping[str, str]:
    """The environment, over what was written down when this checkout's system came up, unless it names another one.

    `file` is whose settings: `env` is for people who ask.
    """
    return {**_written(file), **{name: value for name, value in os.environ.items() if value}}


def _written(file: str) -> Mapping[str, str]:
    """What was written down, if it is about the system that is asked.

    It is one system or the other: this checkout's key must not be sent to an API elsewhere, nor a broker elsewhere be
    compared with this checkout's database.
    """
    path = Path(os.path.expanduser(os.environ.get("ORDERWATCH_HOME") or ROOT / ".orderwatch")) / file  # noqa: PTH111
    try:
        written = read_environment(path)
    except FileNotFoundError:
        return {}
    except (ValueError, NotADirectoryError):
        raise OrderwatchError(f"{path} cannot be read as variables", "Run `make up` to write it again.") from None
    elsewhere = any(_place(os.environ.get(name, "")) != _place(written.get(name, "")) for name in _named())
    return {} if elsewhere else written


def not_set(name: str) -> NotUpError:
    """The error for a setting that a command cannot do without."""
    if _named():
        return NotUpError(
            f"{name} is not set",
            f"The environment names a system by {' and '.join(_named())}, so nothing is taken from this checkout: "
            f"set {name}, too.",
        )
    return NotUpError(
        f"there is no system here: {name} is not set, and nothing was started in this checkout",
        f"Run `make up`; for a system elsewhere, set {name}.",
    )


def how_to_reach(setting: str) -> str:
    """What to do about something that does not answer."""
    return f"{setting} says where it is; `make status` shows what runs in this checkout, `make up` starts it."


def _named() -> list[str]:
    """The addresses that the environment gives, as they are or in files."""
    return [name for name in ADDRESSES if os.environ.get(name) or os.environ.get(f"{name}_FILE")]


def _place(address: str) -> str:
    """Host and port of a URL, whoever calls; bootstrap servers as they are."""
    try:
        return urlsplit(address).netloc.rpartition("@")[2] or address
    except ValueError:  # a bracket that is not closed, for example: it is refused where it is used
        return address
