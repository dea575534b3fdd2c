"""The catalog's hours, each by itself: what the hourly run does, step by step."""

from datetime import UTC, datetime, timedelta

from marketplace_simulator import EmailStyle, World
from order_batch.catalog import fill
from order_batch.composition import connect
from order_batch.settings import BatchSettings

_HOUR = timedelta(hours=1)


def start_of(interval_start: datetime | None) -> datetime:
    """The hour that a run is for; one started by hand without an interval is for the last complete hour.

    A plain datetime, also of Airflow's own kind, whose differences do not divide as the world's must.
    """
    if interval_start is None:
        return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - _HOUR
    return datetime.fromtimestamp(interval_start.timestamp(), UTC)


def email_style(hour: datetime) -> EmailStyle:
    """How the addresses of everybody who registers in the hour are made."""
    return World(BatchSettings().world_seed).email_style(hour)


def fill_before(hour: datetime) -> dict[str, int]:
    """Append what the catalog lacks from before the hour; returns how many of each."""
    settings = BatchSettings()
    with connect(settings) as connection:
        users, products = fill.fill_gaps(connection, World(settings.world_seed), hour)
    return {"users": users, "products": products}


def add_users(hour: datetime, style: EmailStyle) -> int:
    """Append the hour's users, whose addresses are of the style; returns how many are new."""
    settings = BatchSettings()
    world = World(settings.world_seed)
    if world.email_style(hour) is not style:
        raise ValueError(f"users of {hour} have addresses of style {world.email_style(hour)}, not {style}")
    with connect(settings) as connection:
        return fill.add_users(connection, world, hour, hour + _HOUR)


def add_products(hour: datetime) -> int:
    """Append products introduced or priced anew in the hour; returns how many versions are new."""
    settings = BatchSettings()
    with connect(settings) as connection:
        return fill.add_products(connection, World(settings.world_seed), hour, hour + _HOUR)
