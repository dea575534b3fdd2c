"""Detection of file formats and encodings by the first bytes, for bytes that should be JSON in UTF-8."""

import codecs
from typing import NamedTuple

# The number of bytes examined.
_SAMPLE = 512
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip", "gunzip -c"),
    (b"\x28\xb5\x2f\xfd", "Zstandard", "zstd -dc"),
    (b"BZh", "bzip2", "bunzip2 -c"),
    (b"\xfd7zXZ\x00", "xz", "xz -dc"),
    (b"\x04\x22\x4d\x18", "LZ4", "lz4 -dc"),
    (b"PK\x03\x04", "ZIP (also an Excel workbook is one)", "unzip -p"),
    (b"\xff\x06\x00\x00sNaPpY", "Snappy", "snzip -dc"),
    (b"\x82SNAPPY\x00", "Snappy", "snzip -dc"),
)
_CONTAINERS: tuple[tuple[bytes, str], ...] = (
    (b"PAR1", "a Parquet file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
    (b"%PDF-", "a PDF document"),
    (b"SQLite format 3\x00", "an SQLite database"),
)
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32LE"), (codecs.BOM_UTF32_BE, "UTF-32BE"),
    (codecs.BOM_UTF16_LE, "UTF-16LE"), (codecs.BOM_UTF16_BE, "UTF-16BE"),
)  # fmt: skip


_TEXT = frozenset(b"\t\n\r") | frozenset(range(0x20, 0x7F))


class Compression(NamedTuple):
    """A compressed form, and the command that undoes it."""

    name: str
    command: str


def compression_of(value: bytes) -> Compression | None:
    """How bytes are compressed, None when they are not as far as can be seen."""
    for magic, name, command in _MAGIC:
        if value.startswith(magic):
            return Compression(name, command)
    return None


def container_of(value: bytes) -> str | None:
    """The binary kind of file that bytes are, None for any other."""
    return next((name for magic, name in _CONTAINERS if value.startswith(magic)), None)


def wide_encoding_of(value: bytes) -> str | None:
    """The UTF-16 or UTF-32 that bytes are written in, with or without a byte order mark; None for any other.

    Without a mark it is seen by the zero bytes that half of ASCII's characters, or three quarters, are.
    """
    for mark, name in _MARKS:
        if value.startswith(mark):
            return name
    sample = value[:_SAMPLE]
    if sample.count(0) * 4 < len(sample) or len(sample) < 4:
        return None
    for name, unit, place in (("UTF-32LE", 4, 0), ("UTF-32BE", 4, 3), ("UTF-16LE", 2, 0), ("UTF-16BE", 2, 1)):
        characters = sample[place::unit]
        # JSON, and most else, begins with characters of ASCII.
        if all(byte in _TEXT for byte in characters[:4]) and sample.count(0) >= (unit - 1) * len(characters) - unit:
            return name
    return None


def single_byte_encoding_of(value: bytes, start: int) -> str:
    """The encoding that a byte which is not UTF-8 most likely comes from."""
    found = value[start : start + _SAMPLE]
    # 0x80 to 0x9F are control characters in Latin-1, and quotes, dashes and the euro sign in Windows-1252.
    return "Windows-1252" if any(0x80 <= byte <= 0x9F for byte in found) else "Latin-1 (ISO 8859-1)"
