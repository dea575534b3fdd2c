"""The hourly run of the catalog: users and products of one hour, and what is missing from before it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg

from marketplace_simulator import EmailStyle, World
from order_batch.catalog.backfill import add_products, add_users, backfill
from order_contract.business_time import BUSINESS_ZONE

_HOUR = timedelta(hours=1)


def start_of(interval_start: datetime | None) -> datetime:
    """The hour of a run; without an interval, as in a run started by hand, the last complete hour.

    A plain datetime: differences of Airflow's own kind do not divide as the simulator needs.
    """
    if interval_start is None:
        return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
    return datetime.fromtimestamp(interval_start.timestamp(), UTC)


class HourlyCatalog:
    """The catalog in Postgres, filled from the simulated world hour by hour."""

    def __init__(self, connection: "psycopg.Connection[Any]", world: World) -> None:
        self._connection = connection
        self._world = world

    def email_style(self, hour: datetime) -> EmailStyle:
        """Format of the addresses of all users who register in the hour."""
        return self._world.email_style(hour)

    def fill_up_to_end_of(self, day: date) -> dict[str, int]:
        """Append what the catalog lacks up to the end of a business date; returns the number of users and products."""
        return self.backfill(datetime.combine(day + timedelta(days=1), time(), BUSINESS_ZONE))

    def backfill(self, hour: datetime) -> dict[str, int]:
        """Append what the catalog lacks from before the hour; returns the number of users and products."""
        users, products = backfill(self._connection, self._world, hour)
        return {"users": users, "products": products}

    def add_users(self, hour: datetime, style: EmailStyle) -> int:
        """Append the hour's users, whose addresses are of the style; returns how many are new."""
        expected = self.email_style(hour)
        if expected is not style:
            raise ValueError(f"users of {hour} have addresses of style {expected}, not {style}")
        return add_users(self._connection, self._world, hour, hour + _HOUR)

    def add_products(self, hour: datetime) -> int:
        """Append the hour's new products and prices; returns how many versions are new."""
        return add_products(self._connection, self._world, hour, hour + _HOUR)
