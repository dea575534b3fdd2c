"""Content hash of rows, the same number in Postgres, DuckDB and BigQuery: docs/decisions/0009-a-date-s-life.md.

A row's hash is the first 60 bits of the MD5 of its columns as text; that of several rows is the XOR of theirs. MD5 is
the one hash that the three have in common, and 60 bits of it fit a signed integer of 64.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from order_batch.warehouse.tables import Kind, Table


@dataclass(frozen=True, slots=True)
class HashSyntax:
    """How an engine writes the hash.

    It has each kind of column as text, the MD5 of the columns, a text for nulls, the columns joined, and the XOR of
    rows.
    """

    texts: Mapping[Kind, str]
    hashed: str
    null: str = "coalesce({}, chr(30))"
    joined: str = "concat_ws(chr(31), {})"
    grouped: str = "coalesce(bit_xor({}), 0)"

    def row_hash(self, table: Table) -> str:
        """The hash of a row of the table, with the columns in the table's order."""
        texts = (self.texts[column.kind].format(column.name) for column in table.columns)
        return self.hashed.format(self.joined.format(", ".join(map(self.null.format, texts))))

    def content_hash(self, table: Table) -> str:
        """The hash of a group of rows; 0 without rows."""
        return self.grouped.format(self.row_hash(table))


# Times as microseconds and dates as days since 1970: their text depends on no setting of a session.
POSTGRES: Final = HashSyntax(
    {
        Kind.STRING: "{}",
        Kind.INTEGER: "{}::text",
        Kind.TIMESTAMP: "(extract(epoch from {}) * 1000000)::bigint::text",
        Kind.DATE: "({} - date '1970-01-01')::text",
    },
    hashed="('x' || substr(md5({}), 1, 15))::bit(60)::bigint",
)
DUCKDB: Final = HashSyntax(
    {
        Kind.STRING: "{}",
        Kind.INTEGER: "{}::varchar",
        Kind.TIMESTAMP: "epoch_us({})::varchar",
        Kind.DATE: "({} - date '1970-01-01')::varchar",
    },
    hashed="('0x' || substr(md5({}), 1, 15))::bigint",
)
BIGQUERY: Final = HashSyntax(
    {
        Kind.STRING: "{}",
        Kind.INTEGER: "CAST({} AS STRING)",
        Kind.TIMESTAMP: "CAST(UNIX_MICROS({}) AS STRING)",
        Kind.DATE: "CAST(UNIX_DATE({}) AS STRING)",
    },
    hashed="CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5({})), 1, 15)) AS INT64)",
    null="{}",
    joined=r"ARRAY_TO_STRING([{}], '\x1f', '\x1e')",
    grouped="COALESCE(BIT_XOR({}), 0)",
)
