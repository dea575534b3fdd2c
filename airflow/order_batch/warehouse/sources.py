"""Where each raw table comes from: the query that makes its rows, and what they add up to."""

from collections.abc import Mapping
from dataclasses import dataclass

from order_batch.warehouse.tables import ORDERS, PRODUCTS, RULE_HITS, USERS, Table

_BUSINESS_DATE = "(created_date at time zone 'Asia/Jakarta')::date"
_CHANGED_DATE = "(valid_from at time zone 'Asia/Jakarta')::date"


@dataclass(frozen=True, slots=True)
class Source:
    """Rows of Postgres for a raw table.

    `relation` has the moment that decides about the partition in `moment`, and when a row was recorded in `recorded`.
    `expressions` are columns that are not simply columns there.
    """

    relation: str
    moment: str
    recorded: str
    expressions: Mapping[str, str]

    def select(self, table: Table) -> str:
        """The rows of a partition, columns in the table's order; parameters are its two moments."""
        columns = ", ".join(
            f"{self.expressions[name]} as {name}" if name in self.expressions else name
            for name in (column.name for column in table.columns)
        )
        return f"select {columns} from {self.relation} where {self._within}"

    def totals(self, table: Table, by: str = "") -> str:
        """Rows, sum of amounts and newest row of a span; with `by` an expression, of each of its values."""
        amount = f"coalesce(sum({table.amount}), 0)" if table.amount else "null::numeric"
        values = f"count(*), {amount}, max({self.recorded})"
        if not by:
            return f"select {values} from {self.relation} where {self._within}"
        return f"select {by}, {values} from {self.relation} where {self._within} group by 1 order by 1"

    @property
    def _within(self) -> str:
        return f"{self.moment} >= %(start)s and {self.moment} < %(end)s"


# A rule that fired stands in the order's hits. Orders without any are skipped before their JSON is looked at.
_HITS = """(
    select o.created_date, o.stored_at, o.order_id, o.amount,
        hit ->> 'rule' as rule, hit ->> 'severity' as severity, (hit ->> 'score')::bigint as score,
        hit ->> 'mode' as mode, hit ->> 'reason' as reason
    from orders as o cross join lateral json_array_elements(o.hits) as hit
    where o.hits::text <> '[]'
) as hits"""

SOURCES: Mapping[str, Source] = {
    ORDERS.name: Source(
        "orders", "created_date", "stored_at", {"business_date": _BUSINESS_DATE, "attributes": "attributes::text"}
    ),
    RULE_HITS.name: Source(_HITS, "created_date", "stored_at", {"business_date": _BUSINESS_DATE}),
    USERS.name: Source("users", "valid_from", "recorded_at", {"changed_date": _CHANGED_DATE}),
    PRODUCTS.name: Source("products", "valid_from", "recorded_at", {"changed_date": _CHANGED_DATE}),
}
