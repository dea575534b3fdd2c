"""Settings of all sessions of the database, which `orderwatch migrate` applies.

A host that loses its power or its network closes no connection. What its transactions had locked stays locked until
the server notices: by its defaults after up to two hours, and nothing that waits for these locks is stored until then.
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from order_platform.postgres.migrations.grants import owns_database

# In milliseconds, the others in seconds: a client is given up after less than half a minute.
SETTINGS: Final[Mapping[str, str]] = {
    "tcp_user_timeout": "20000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_IS_LINUX: Final = "select version() like '%linux%'"
_CURRENT: Final = """
    select coalesce(setconfig, '{}') from pg_db_role_setting
    join pg_database on pg_database.oid = setdatabase and datname = current_database() where setrole = 0
"""


def apply_session_settings(connection: Connection) -> None:
    """Set what is not set; a database of another owner is left as it is, and so are an operator's own values."""
    if not (owns_database(connection) and connection.execute(text(_IS_LINUX)).scalar()):
        return
    current = connection.execute(text(_CURRENT)).scalar() or []
    known = {each.partition("=")[0] for each in current}
    database = connection.execute(text("select quote_ident(current_database())")).scalar()
    for name, value in SETTINGS.items():
        if name not in known:
            connection.execute(text(f"alter database {database} set {name} = '{value}'"))
