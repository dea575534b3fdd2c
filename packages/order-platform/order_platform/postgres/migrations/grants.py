"""Applies the matrix of database_roles.py: grants what is missing and revokes what is too much, also from PUBLIC.

It runs after each migration, as the owner of the database. Roles are shared by all databases of a server and created
by an administrator, so a role that does not exist is left out; while none exists, nothing is changed: everything then
runs as the owner.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from order_platform.postgres.roles import DATABASE, FUNCTIONS, RELATIONS, SCHEMAS, DatabaseRole, Privileges

PUBLIC = "public"
"""The pseudo-role that every role belongs to; it gets nothing."""


class Grant(NamedTuple):
    """A privilege that a role holds. `kind` and `name` are as GRANT writes them."""

    kind: str
    name: str
    role: str
    privilege: str


_ROLES = text("select rolname from pg_roles where rolname = any(:names)")
_OWNS_DATABASE = text(
    "select pg_has_role(current_user, datdba, 'usage') from pg_database where datname = current_database()"
)
# What anyone but the owner holds on the objects of schemas public and marts, on these, and on the database. Tables in
# schema marts are the batch side's own.
_HELD = text("""
    select object.kind, object.name, coalesce(grantee.rolname, 'public'), lower(acl.privilege_type)
    from (
        select 'database' as kind, format('%I', datname) as name, datdba as owner,
            coalesce(datacl, acldefault('d', datdba)) as acl
        from pg_database where datname = current_database()
        union all
        select 'schema', format('%I', nspname), nspowner, coalesce(nspacl, acldefault('n', nspowner))
        from pg_namespace where nspname in ('public', 'marts')
        union all
        select 'table', format('%I', relname), relowner, coalesce(relacl, acldefault('r', relowner))
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
        union all
        select 'function', format('%I(%s)', proname, pg_get_function_identity_arguments(oid)), proowner,
            coalesce(proacl, acldefault('f', proowner))
        from pg_proc where pronamespace = 'public'::regnamespace
    ) as object
    cross join lateral aclexplode(object.acl) as acl
    left join pg_roles as grantee on grantee.oid = acl.grantee
    where acl.grantee <> object.owner and (grantee.rolname = any(:names) or acl.grantee = 0)
""")


def owns_database(connection: Connection) -> bool:
    """Whether the session may grant rights on its database, and set what all sessions of it begin with."""
    return bool(connection.execute(_OWNS_DATABASE).scalar_one())


def wanted_grants(database: str, roles: Collection[str]) -> set[Grant]:
    """The matrix, for those of the roles that exist; `database` is the name as SQL quotes it."""

    def each(kind: str, objects: Mapping[str, Privileges]) -> Iterator[Grant]:
        for name, privileges in objects.items():
            for role, verbs in privileges.items():
                if role in roles:
                    yield from (Grant(kind, name, role, verb) for verb in verbs.split(", "))

    return {
        *each("database", {database: DATABASE}),
        *each("schema", SCHEMAS),
        *each("table", RELATIONS),
        *each("function", FUNCTIONS),
    }


def grant_statements(wanted: Iterable[Grant], held: Iterable[Grant]) -> list[str]:
    """The SQL that makes what is held what is wanted."""
    wanted, held = set(wanted), set(held)
    revokes = [f"revoke {each.privilege} on {each.kind} {each.name} from {each.role}" for each in sorted(held - wanted)]
    grants = [f"grant {each.privilege} on {each.kind} {each.name} to {each.role}" for each in sorted(wanted - held)]
    return [*revokes, *grants]


def apply_grants(connection: Connection) -> None:
    """Bring the privileges in the connected database to the matrix."""
    names = {"names": list(DatabaseRole)}
    roles = set(connection.execute(_ROLES, names).scalars())
    if not roles:
        return
    database = connection.execute(text("select format('%I', current_database())")).scalar_one()
    # The owner holds everything by owning it; an entry of its own would only be in the way of a new owner.
    held = {Grant(*row) for row in connection.execute(_HELD, names)}
    wanted = wanted_grants(database, roles)
    if not owns_database(connection):
        # Where an administrator keeps the database to themselves, these are theirs to grant: docs/security.md.
        theirs = {("database", database), ("schema", "public")}
        wanted, held = ({each for each in grants if each[:2] not in theirs} for grants in (wanted, held))
    for statement in grant_statements(wanted, held):
        connection.execute(text(statement))
