"""Lines of JSON, as a load job reads them, and how a job says what is wrong with them."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.fake_bigquery.values import BadRowError, Field, Row, read_row

_READING = "Error while reading data, error message: "


@dataclass(frozen=True)
class Failure:
    """Why a job failed."""

    reason: str
    message: str
    details: tuple[str, ...] = ()

    @property
    def status(self) -> dict[str, Any]:
        """Its part of a job's status."""
        result = {"reason": self.reason, "message": self.message}
        return {
            "errorResult": result,
            "errors": [result, *({"reason": self.reason, "message": each} for each in self.details)],
        }


def read_lines(media: bytes, fields: Sequence[Field]) -> list[Row] | Failure:
    """The rows, or what is wrong with the first that does not fit."""
    try:
        text = decompress(media) if media[:2] == b"\x1f\x8b" else media
    except (zlib.error, EOFError) as error:
        return Failure("invalid", f"{_READING}Gzip compressed file is corrupt: {error}")
    rows: list[Row] = []
    position = 0
    for line in text.splitlines(keepends=True):
        try:
            rows.append(read_row(line, fields))
        except BadRowError as error:
            return _failure(len(rows) + 1, position, str(error))
        position += len(line)
    return rows


def decompress(media: bytes) -> bytes:
    """One gzip member: whether BigQuery reads on behind the first is not documented."""
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    text = decompressor.decompress(media)
    if not decompressor.eof:
        raise EOFError("it ends too early")
    if decompressor.unused_data:
        raise EOFError("there is more behind its end")
    return text


def _failure(rows: int, position: int, fault: str) -> Failure:
    counted = f"too many errors, giving up. Rows: {rows}; errors: 1"
    return Failure(
        "invalid",
        f"{_READING}JSON table encountered {counted}. Please look into the errors[] collection for more details.",
        (
            f"{_READING}JSON processing encountered {counted}; max bad: 0; error percent: 0",
            f"{_READING}JSON parsing error in row starting at position {position}: {fault}",
        ),
    )
