"""Totals: what a partition holds, counted and added up, to be compared between Postgres and the warehouse."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows, the sum of amounts for tables that have one, and when Postgres recorded the newest row."""

    rows: int
    amount: int | None
    newest: datetime | None

    def difference(self, warehouse: "Totals") -> str | None:
        """In words, what differs in a warehouse that should hold the same; None when nothing does."""
        if self.rows != warehouse.rows:
            return f"{self.rows:,} rows in Postgres, {warehouse.rows:,} in the warehouse"
        if self.amount != warehouse.amount:
            return f"amounts sum to {self.amount} in Postgres, to {warehouse.amount} in the warehouse"
        return None
