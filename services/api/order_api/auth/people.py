"""People who sign in to the workbench: named, with a role, by a code that begins one session."""

import re
import secrets
from datetime import timedelta
from typing import Final, NamedTuple

from order_api.auth import repository
from order_api.auth.keys import MAX_NAME_LENGTH, NAME_PATTERN, Role, hash_key
from order_platform.postgres.sql_builder import QueryExecutor

CODE_LIFETIME: Final = timedelta(hours=1)
# As with keys: 256 random bits, which cannot be guessed.
_CODE_BYTES: Final = 32
_CODE: Final = re.compile(r"owc_[0-9a-f]{64}")


class Person(NamedTuple):
    """A person as the workbench knows them; `key_id` is their id wherever keys have one."""

    key_id: str
    name: str
    role: Role


async def find_or_add_person(connection: QueryExecutor, name: str, role: Role) -> Person:
    """The person of a name, with this role from now on; added when there is none.

    Raises ValueError, which says what to write, for an invalid name.
    """
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise ValueError(f"a person's name has 1 to {MAX_NAME_LENGTH} characters, none of them a control character")
    record = await connection.fetchrow(repository.UPDATE_PERSON, name, role)
    if record is None:
        record = await connection.fetchrow(repository.INSERT_PERSON, secrets.token_hex(6), name, role)
    assert record is not None
    return Person(record["key_id"], name, role)


async def find_or_add_subject(
    connection: QueryExecutor, subject: str, name: str, role: Role
) -> tuple[Person, bool] | None:
    """The person whom an identity provider knows as `subject`, and whether they are new; None for one who was revoked.

    They have this name and role from now on.
    """
    shown = "".join(filter(str.isprintable, name)).strip()[:MAX_NAME_LENGTH] or "without a name"
    record = await connection.fetchrow(repository.UPDATE_SUBJECT, subject, shown, role)
    if record is not None:
        return Person(record["key_id"], shown, role), False
    added = await connection.fetchrow(repository.INSERT_SUBJECT, secrets.token_hex(6), subject, shown, role)
    return None if added is None else (Person(added["key_id"], shown, role), True)


async def create_sign_in_code(connection: QueryExecutor, person: Person, lifetime: timedelta = CODE_LIFETIME) -> str:
    """A code that begins one session of a person within `lifetime`; only its hash is stored."""
    code = f"owc_{secrets.token_hex(_CODE_BYTES)}"
    await connection.fetchrow(repository.INSERT_CODE, hash_key(code), person.key_id, lifetime)
    return code


async def invite(connection: QueryExecutor, name: str, role: Role) -> tuple[Person, str]:
    """The person of a name, added when there is none, and a code that signs them in once. Raises ValueError."""
    person = await find_or_add_person(connection, name, role)
    return person, await create_sign_in_code(connection, person)


def sign_in_link(api_url: str, code: str) -> str:
    """The page of the workbench that begins a session with a code."""
    return f"{api_url}/workbench/sign-in?code={code}"


async def redeem_sign_in_code(connection: QueryExecutor, code: str) -> str | None:
    """Use up a sign-in code; returns its person's key_id, or None when it is not valid."""
    if _CODE.fullmatch(code) is None:
        return None
    record = await connection.fetchrow(repository.REDEEM_CODE, hash_key(code))
    return None if record is None else str(record["key_id"])
