"""A database's URL, as settings give it: what can be seen to be wrong with it, and putting a password in."""

from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

_FILES = ("sslrootcert", "sslcert", "sslkey")


def check(url: str) -> None:
    """Raises ValueError, in words and without the password, for what would fail at every attempt to connect."""
    try:
        parts = urlsplit(url)
    except ValueError:  # its message may hold the password
        raise ValueError("is no URL") from None
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError("must be like postgresql://user:password@host:port/database")
    query = parse_qs(parts.query)
    for name in _FILES:
        for path in query.get(name, ()):
            try:
                Path(path).read_bytes()
            except OSError as error:
                raise ValueError(f"{name}={path} cannot be read: {error.strerror}") from None
    if query.get("sslmode", [""])[-1] in {"verify-ca", "verify-full"} and "sslrootcert" not in query:
        raise ValueError(f"sslmode={query['sslmode'][-1]} needs sslrootcert=FILE, the certificates that are trusted")


def with_password(url: str, password: str) -> str:
    """The URL with a password in it. Raises ValueError, in words, when it has one, or no user whose it could be."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if ":" in user or "password" in parse_qs(parts.query):
        raise ValueError("holds a password, and ORDERWATCH_DATABASE_PASSWORD is set, too; set one of the two")
    if not at or not user:
        raise ValueError("names no user for ORDERWATCH_DATABASE_PASSWORD: postgresql://user@host:port/database")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
