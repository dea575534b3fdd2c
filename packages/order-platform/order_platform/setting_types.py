"""Types of settings that several processes share: each is checked when it is read, before anything starts."""

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError
from pydantic_settings import NoDecode

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LARGEST_PORT = 65_535

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?\.?|\[[0-9A-Fa-f:.%]+\]")
_DUCKDB_MARK = b"DUCK"
_DUCKDB_MARK_AT = 8
_EXAMPLE = 'write ["GoPay Later", "Doku"], or GoPay Later, Doku'


def invalid(message: str) -> PydanticCustomError:
    """The error of a setting: says what is wrong and what to write. The variable is put before it."""
    return PydanticCustomError("setting", "{message}", {"message": message})


def repeated(values: Mapping[str, object]) -> list[str] | None:
    """The names of the first value that several names have; None when all differ."""
    by_value: dict[object, list[str]] = {}
    for name, value in values.items():
        by_value.setdefault(value, []).append(name)
    return next((names for names in by_value.values() if len(names) > 1), None)


def _port(value: object) -> object:
    if isinstance(value, str):
        value = value.strip()
        if not (value.isascii() and value.isdecimal() and len(value) <= len(str(LARGEST_PORT)) + 1):
            raise invalid(f"is not a port; write a number from 1 to {LARGEST_PORT}")
        value = int(value)
    if isinstance(value, int) and not 0 <= value <= LARGEST_PORT:
        raise invalid(f"is not a port; write a number from 1 to {LARGEST_PORT}")
    return value


def _log_level(value: str) -> str:
    level = value.strip().upper()
    if level not in LOG_LEVELS or level not in logging.getLevelNamesMapping():
        raise invalid(f"is not a log level; write one of {', '.join(LOG_LEVELS)}")
    return level


def _brokers(value: str) -> str:
    addresses = [address.strip() for address in value.split(",")]
    for address in addresses:
        host, colon, port = address.rpartition(":")
        if "://" in address:
            raise invalid(f"{_shortened(address)} is a URL; write host:port without what comes before //")
        if not colon or not host:
            raise invalid("is not a list of addresses; write host:port, or host:port,host:port")
        if _HOST.fullmatch(host) is None:
            raise invalid(f"{_shortened(host)} is not a host; write host:port, and an IPv6 address as [::1]:9092")
        if not (port.isascii() and port.isdecimal() and len(port) < 6 and 0 < int(port) <= LARGEST_PORT):
            raise invalid(f"{_shortened(port)} is not a port; write host:port with a port from 1 to {LARGEST_PORT}")
    return ",".join(addresses)


def _topic(value: str) -> str:
    if _TOPIC.fullmatch(value) is None or value in {".", ".."}:
        raise invalid("is not a topic's name; write up to 249 letters, digits, dots, underscores and hyphens")
    return value


def parse_names(value: object) -> object:
    """A JSON list of strings, or names separated by commas."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith(("[", "{", '"')):
            try:
                value = json.loads(text)
            except ValueError:
                raise invalid(f"is not a JSON list; {_EXAMPLE}") from None
        else:
            value = [name for name in text.split(",") if name.strip()]
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name.strip() for name in value):
        raise invalid(f"is not a list of names; {_EXAMPLE}")
    return tuple(" ".join(name.split()) for name in value)


def _expanded(path: Path) -> Path:
    if "\0" in str(path):
        raise invalid("holds a NUL character")
    try:
        return path.expanduser()
    except RuntimeError:
        raise invalid("names the home folder of a user who has none; write the whole path") from None


def _web_address(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise invalid("is not a URL; write one such as https://chat.example/hook")
    return value


def check_warehouse_file(path: Path) -> Path:
    """A path that DuckDB can open or make a file at. Raises an error of a setting."""
    try:
        if path.is_dir():
            raise invalid(f"{path} is a folder; name a file in it, such as {path / 'warehouse.duckdb'}")
        if path.exists() and not path.is_file():
            raise invalid(f"{path} is not a file; name one, such as warehouse.duckdb")
        above = next((each for each in path.absolute().parents if each.exists()), None)
        if above is not None and not above.is_dir():
            raise invalid(f"{path} is below {above}, which is not a folder")
        if str(path).startswith(":"):
            raise invalid("is in memory, which ends with each process; name a file, such as warehouse.duckdb")
        if path.is_file() and path.stat().st_size > 0:
            with path.open("rb") as file:
                begin = file.read(_DUCKDB_MARK_AT + len(_DUCKDB_MARK))
            if begin[_DUCKDB_MARK_AT:] != _DUCKDB_MARK:
                raise invalid(f"{path} is not a DuckDB file; name another one, or move it out of the way")
    except OSError as error:
        raise invalid(f"{path} cannot be used: {error.strerror}") from None
    return path


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


Port = Annotated[int, BeforeValidator(_port)]
"""1 to 65535; 0 is any free port."""
LogLevel = Annotated[str, AfterValidator(_log_level)]
BrokerAddresses = Annotated[str, AfterValidator(_brokers)]
TopicName = Annotated[str, AfterValidator(_topic)]
NameList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_names)]
FilePath = Annotated[Path, AfterValidator(_expanded)]
"""`~` is the user's home folder."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
