"""A database's URL, as settings give it: what can be seen to be wrong with it, and putting a password in."""

import re
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, urlsplit, urlunsplit

_FILES = ("sslrootcert", "sslcert", "sslkey")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_LARGEST_PORT = 65_535


def check_database_url(url: str) -> None:
    """Raise ValueError, without the password in its text, for a URL that no attempt to connect can succeed with."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold the password
        raise ValueError("is not a valid URL") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be like postgresql://user:password@host:port/database")
    _check_place(url, parts)
    query = parse_qs(parts.query)
    for name in _FILES:
        for path in query.get(name, ()):
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise ValueError(f"{name}={path} cannot be read: {error.strerror}") from None
    if "sslmode" in query and query["sslmode"][-1] not in _SSL_MODES:
        raise ValueError(f"has an sslmode that does not exist; write one of {', '.join(_SSL_MODES)}")
    if query.get("sslmode", [""])[-1] in {"verify-ca", "verify-full"} and "sslrootcert" not in query:
        raise ValueError(f"sslmode={query['sslmode'][-1]} needs sslrootcert=FILE, the certificates that are trusted")


def _check_place(url: str, parts: SplitResult) -> None:
    """User, password, host, port and database: the parts that a password with bare special characters shifts."""
    encode = "a /, ?, #, @ or % in user or password is written as %2F, %3F, %23, %40 or %25"
    if parts.fragment or not url.isprintable():
        raise ValueError(f"holds a character that a URL must not hold: {encode}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", parts.netloc):
        raise ValueError(f"holds a % that no two hexadecimal digits follow: {encode}")
    for place in parts.netloc.rpartition("@")[2].split(","):  # several hosts are tried one after the other
        port = place.rpartition("]")[2].rpartition(":")
        if port[1] and not (port[2].isascii() and port[2].isdecimal() and 0 < int(port[2]) <= _LARGEST_PORT):
            raise ValueError(f"has no port from 1 to {_LARGEST_PORT} after its host: {encode}")


def add_password(url: str, password: str) -> str:
    """Add a password to the URL. Raises ValueError when it has one, or has no user."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user or "password" in parse_qs(parts.query):
        raise ValueError("holds a password, and ORDERWATCH_DATABASE_PASSWORD is set, too; set one of the two")
    if not at or not user:
        raise ValueError("names no user for ORDERWATCH_DATABASE_PASSWORD: postgresql://user@host:port/database")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
