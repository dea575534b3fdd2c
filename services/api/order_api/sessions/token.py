"""A session's token: random, shown to the browser once, stored as its hash like a key."""

import re
import secrets

# As with keys: 256 random bits, which nobody guesses.
SECRET_BYTES = 32
_TOKEN = re.compile(r"ows_[0-9a-f]{64}")


def new_token() -> str:
    """A token that nobody else has."""
    return f"ows_{secrets.token_hex(SECRET_BYTES)}"


def looks_like_token(text: str) -> bool:
    """Whether `text` has a token's form: anything else needs no look-up."""
    return _TOKEN.fullmatch(text) is not None
