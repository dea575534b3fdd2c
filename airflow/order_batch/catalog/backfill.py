"""Backfill of the catalog: users and products of the simulated world that Postgres lacks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Identifier

from marketplace_simulator import BEGINNING, Product, SimulatedUser, World
from order_contract.advisory_locks import AdvisoryLock


class UserVersion(NamedTuple):
    """A row of table `users`."""

    user_id: str
    valid_from: datetime
    first_name: str
    last_name: str
    email: str
    default_payment: str
    city: str
    created_date: datetime


class ProductVersion(NamedTuple):
    """A row of table `products`."""

    product_id: str
    valid_from: datetime
    product_name: str
    category: str
    price: int
    created_date: datetime


def user_versions(users: Iterable[SimulatedUser]) -> Iterator[UserVersion]:
    """Users as they registered."""
    for user in users:
        yield UserVersion(
            user.user_id, user.created_date, user.first_name, user.last_name, user.email,
            user.default_payment, user.city, user.created_date,
        )  # fmt: skip


def product_versions(products: Iterable[Product]) -> Iterator[ProductVersion]:
    """Products as they were introduced, and each of their prices."""
    for product in products:
        yield ProductVersion(
            product.product_id, product.updated_at, product.product_name, product.category.value,
            product.price, product.created_date,
        )  # fmt: skip


def add_users(connection: "psycopg.Connection[Any]", world: World, start: datetime, end: datetime) -> int:
    """Append the users who registered from `start` until before `end`; returns how many are new."""
    return _append(connection, "users", UserVersion._fields, user_versions(world.users_between(start, end)))


def add_products(connection: "psycopg.Connection[Any]", world: World, start: datetime, end: datetime) -> int:
    """Append the products' versions of that time; returns how many are new."""
    return _append(connection, "products", ProductVersion._fields, product_versions(world.products_between(start, end)))


def backfill(
    connection: "psycopg.Connection[Any]",
    world: World,
    end: datetime,
    progress: Callable[[str], None] = lambda month: None,
) -> tuple[int, int]:
    """Append everything before `end` that the catalog lacks; returns (users, products).

    A new catalog gets everything since the beginning, so that orders find their users and products; an existing one
    gets the versions that are missing from it, whatever else was added to it. One process at a time is at work: another
    one waits, and then finds little to do.
    """
    users = products = 0
    with _lock(connection):
        for start, stop in _months(end):
            if not _keys(connection, "users", "user_id", start, stop).issuperset(world.user_keys_between(start, stop)):
                progress(f"users of {start:%Y-%m}")
                users += add_users(connection, world, start, stop)
            held = _keys(connection, "products", "product_id", start, stop)
            if not held.issuperset(world.product_keys_between(start, stop)):
                progress(f"products of {start:%Y-%m}")
                products += add_products(connection, world, start, stop)
    return users, products


@contextmanager
def _lock(connection: "psycopg.Connection[Any]") -> Iterator[None]:
    """Hold the catalog's advisory lock; Postgres releases it when this process dies."""
    connection.execute(f"select pg_advisory_lock({AdvisoryLock.CATALOG:d})")
    try:
        yield
    finally:
        connection.execute(f"select pg_advisory_unlock({AdvisoryLock.CATALOG:d})")


def _months(end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Spans from the world's beginning until `end`, each within a month."""
    start = BEGINNING
    while start < end:
        stop = (start + timedelta(days=32)).replace(day=1)
        yield start, min(stop, end)
        start = stop


def _keys(
    connection: "psycopg.Connection[Any]", table: str, key: str, start: datetime, end: datetime
) -> set[tuple[str, datetime]]:
    """Ids and moments of the versions that a table has in a span of time."""
    statement = SQL("select {}, valid_from from {} where valid_from >= %s and valid_from < %s")
    return set(connection.execute(statement.format(Identifier(key), Identifier(table)), [start, end]).fetchall())


def _append(
    connection: "psycopg.Connection[Any]", table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> int:
    """Insert missing rows in one transaction; returns how many."""
    names = SQL(", ").join(map(Identifier, columns))
    with connection.transaction():
        connection.execute(
            SQL("create temporary table new_versions (like {} including defaults) on commit drop").format(
                Identifier(table)
            )
        )
        with connection.cursor() as cursor:
            with cursor.copy(SQL("copy new_versions ({}) from stdin").format(names)) as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                SQL("insert into {} ({}) select {} from new_versions on conflict do nothing").format(
                    Identifier(table), names, names
                )
            )
            return cursor.rowcount
