"""Erasure of a user: what identifies the person is replaced in Postgres and in the raw tables of the warehouse."""

import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

import psycopg

from order_batch.warehouse.erasure import ERASED, ORDER_VALUES, USER_VALUES, assignments
from order_batch.warehouse.port import Warehouse

_BEGIN: Final = """
    insert into erasures (user_hash, pseudonym, erased_by) values (%(user_hash)s, %(pseudonym)s, %(erased_by)s)
    on conflict (user_hash) do update
    set pseudonym = coalesce(erasures.pseudonym, excluded.pseudonym), finished_at = null
    returning pseudonym
"""
_FINISH: Final = "update erasures set pseudonym = null, finished_at = now() where user_hash = %s"
# An error may quote the order; of a hit its reason may.
_OUTCOMES: Final = f"""
    update stream_outcomes set error = '{ERASED}'
    where error is not null
        and (order_id = any(%(order_ids)s) or order_id in (select order_id from orders where user_id = %(user_id)s))
"""
_LABELS: Final = f"""
    update labels set note = '{ERASED}'
    where note is not null
        and (order_id = any(%(order_ids)s) or order_id in (select order_id from orders where user_id = %(user_id)s))
"""
_NOTES: Final = """
    delete from notes
    where (subject_kind = 'user' and subject_id = %(user_id)s)
        or (
            subject_kind = 'order'
            and (
                subject_id = any(%(order_ids)s)
                or subject_id in (select order_id from orders where user_id = %(user_id)s)
            )
        )
"""
_ORDERS: Final = f"""
    update orders
    set user_id = %(pseudonym)s, {assignments(ORDER_VALUES)},
        hits = coalesce(
            (
                select json_agg(
                    json_build_object(
                        'rule', hit -> 'rule', 'severity', hit -> 'severity', 'score', hit -> 'score',
                        'mode', hit -> 'mode', 'reason', '{ERASED}'
                    )
                    order by place
                )
                from json_array_elements(hits) with ordinality as each_hit (hit, place)
            ),
            '[]'
        )
    where user_id = %(user_id)s
"""
_USERS: Final = f"update users set user_id = %(pseudonym)s, {assignments(USER_VALUES)} where user_id = %(user_id)s"
_COUNT: Final = """
    select (select count(*) from orders where user_id = %(user_id)s),
        (select count(*) from users where user_id = %(user_id)s)
"""


@dataclass(frozen=True, slots=True)
class Erased:
    """Rows of Postgres that are about the user."""

    orders: int
    versions: int


class Erasure:
    """Erases users, as the owner of Postgres' tables. It may be repeated, also after a kill."""

    def __init__(self, connection: "psycopg.Connection[Any]", warehouse: Warehouse) -> None:
        self._connection = connection
        self._warehouse = warehouse

    def count(self, user_id: str) -> Erased:
        """What Postgres holds of a user; the warehouse may hold orders of frozen dates besides."""
        found = self._connection.execute(_COUNT, {"user_id": user_id}).fetchone()
        assert found is not None
        return Erased(*found)

    def replace(self, user_id: str, erased_by: str) -> None:
        """Replace what identifies the user in Postgres and the raw tables. Models have to be rebuilt afterwards."""
        # Also those that Postgres no longer holds: what is recorded of them is there still.
        order_ids = self._warehouse.order_ids_of(user_id)
        given = {"user_id": user_id, "user_hash": _hash(user_id), "erased_by": erased_by}
        with self._connection.transaction():
            found = self._connection.execute(
                _BEGIN, {**given, "pseudonym": f"erased-{secrets.token_hex(8)}"}
            ).fetchone()
            assert found is not None
            names = {"user_id": user_id, "pseudonym": found[0], "order_ids": order_ids}
            for statement in (_OUTCOMES, _LABELS, _NOTES, _ORDERS, _USERS):
                self._connection.execute(statement, names)
        # The pseudonym stays recorded until here, so that a repeat after a kill uses the same one.
        self._warehouse.erase_user(user_id, found[0])

    def finish(self, user_id: str) -> None:
        """Record that it is done; from here on nothing links the pseudonym to the user."""
        self._connection.execute(_FINISH, [_hash(user_id)])


def _hash(user_id: str) -> str:
    return sha256(user_id.encode()).hexdigest()
