"""What queries of either warehouse end with."""

from collections.abc import Sequence


def arranged(order_by: Sequence[str], limit: int | None) -> str:
    """The clauses that order rows and take the first of them; empty for all in any order."""
    order = f" ORDER BY {', '.join(order_by)}" if order_by else ""
    return order if limit is None else f"{order} LIMIT {limit:d}"
