"""Sources of the raw tables: which rows and expressions of Postgres are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass

from order_batch.warehouse.content_hash import POSTGRES
from order_batch.warehouse.tables import LABELS, ORDERS, PRODUCTS, ROW_HASH, RULE_HITS, USERS, Table

_BUSINESS_DATE = "(created_date at time zone 'Asia/Jakarta')::date"
_CHANGED_DATE = "(valid_from at time zone 'Asia/Jakarta')::date"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of Postgres for a raw table.

    They are made of those of `table`, where column `moment` determines the partition. `relation` has the columns, but
    for those that `expressions` compute.
    """

    table: str
    relation: str
    moment: str
    expressions: Mapping[str, str]

    @property
    def is_row_by_row(self) -> bool:
        """Whether each row of Postgres is one row of the raw table."""
        return self.relation == self.table

    def select(self, table: Table) -> str:
        """The rows of a partition, columns in the table's order; parameters are its two moments."""
        columns = ", ".join(
            f"{self.expressions[name]} as {name}" if name in self.expressions else name
            for name in (column.name for column in table.columns)
        )
        return f"select {columns} from {self.relation} where {self._within}"

    def select_hashed(self, table: Table) -> str:
        """The same rows with their content hash as the last column: the columns that the warehouse stores.

        Without OFFSET, Postgres would compute the expressions of columns twice: JSON of hits would be parsed again.
        """
        row_hash = f"{POSTGRES.row_hash(table)} as {ROW_HASH.name}"
        return f"select *, {row_hash} from ({self.select(table)} offset 0) as extracted"

    @property
    def _within(self) -> str:
        return f"{self.moment} >= %(start)s and {self.moment} < %(end)s"


# Rules that fired are elements of the order's hits. Orders without hits are skipped before their JSON is parsed, and
# each hit is parsed once for all of its columns, which takes half the time of one `->>` per column.
_HITS = """(
    select o.created_date, o.order_id, hit.*
    from orders as o cross join lateral rows from (
        json_to_recordset(o.hits) as (rule text, severity text, score bigint, mode text, reason text)
    ) with ordinality as hit (rule, severity, score, mode, reason, hit_number)
    where o.hits::text <> '[]'
) as hits"""

SOURCES: Mapping[str, Source] = {
    ORDERS.name: Source(
        "orders",
        "orders",
        "created_date",
        {
            "business_date": _BUSINESS_DATE,
            "attributes": "attributes::text",
            "features": "features::text",
            "seen": "encode(seen, 'hex')",
        },
    ),
    RULE_HITS.name: Source("orders", _HITS, "created_date", {"business_date": _BUSINESS_DATE}),
    LABELS.name: Source(
        "labels",
        "labels",
        "appended_at",
        {
            "business_date": "(appended_at at time zone 'Asia/Jakarta')::date",
            "source_topic": "topic",
            "source_epoch": "epoch",
            "source_partition": "partition",
            "source_offset": '"offset"',
        },
    ),
    USERS.name: Source("users", "users", "valid_from", {"changed_date": _CHANGED_DATE}),
    PRODUCTS.name: Source("products", "products", "valid_from", {"changed_date": _CHANGED_DATE}),
}
