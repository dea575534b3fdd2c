"""Which orders were removed from Postgres, after they had been loaded into the warehouse."""

from datetime import datetime
from typing import Final

from order_platform.postgres.sql_builder import QueryExecutor

_RETIRED_BEFORE: Final = "select retired_before::timestamp at time zone 'Asia/Jakarta' from retention"


async def read_retired_before(database: QueryExecutor) -> datetime | None:
    """Orders that were created before this time were removed; None when none were."""
    row = await database.fetchrow(_RETIRED_BEFORE)
    return None if row is None else row[0]
