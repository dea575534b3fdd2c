"""A number from 0 to 1 for a text: the same in every process, and as good as random from one text to another."""

import hashlib
from typing import Final

_BYTES: Final = 6
_PARTS: Final = 1 << 8 * _BYTES


def hashed_share(text: str, salt: str) -> float:
    """From 0 to below 1, evenly distributed; with another salt, numbers that have nothing to do with these.

    A text is in a share of all when its number is below it, so a share that grows keeps those that were in it.
    """
    digest = hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=_BYTES).digest()
    return int.from_bytes(digest) / _PARTS
