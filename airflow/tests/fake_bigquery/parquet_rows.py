"""Parquet, as a load job reads it, and how a job says what is wrong with it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fake_bigquery.values import OLDER_NAMES, Field, Row

_READING = "Error while reading data, error message: "
_TYPES = {
    "STRING": pa.string(), "INTEGER": pa.int64(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us", "UTC"),
}  # fmt: skip


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


def read_rows(media: bytes, fields: Sequence[Field]) -> list[Row] | Failure:
    """The rows, or why they do not fit. No type is converted, and modes must be those of the table."""
    try:
        found = pq.read_table(io.BytesIO(media))
    except (OSError, pa.ArrowException) as error:
        return Failure("invalid", f"{_READING}Input file is not in Parquet format: {error}")
    there: dict[str, tuple[Any, str]] = {
        each.name: (each.type, "NULLABLE" if each.nullable else "REQUIRED") for each in found.schema
    }
    here = {each["name"]: (_TYPES[_older_name(each["type"])], each["mode"]) for each in fields}
    for name in [*here, *there.keys() - here.keys()]:
        if there.get(name) != here.get(name):
            return Failure("invalid", f"{_READING}Parquet column '{name}' is {there.get(name)}, not {here.get(name)}.")
    rows: list[Row] = found.to_pylist()
    return rows


def _older_name(kind: str) -> str:
    return OLDER_NAMES.get(kind, kind)
