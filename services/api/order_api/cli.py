"""The command `order-api`: serve the API, and manage its keys."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, TypeVar

import asyncpg
import typer

from order_api.auth import keys, people
from order_api.auth.keys import parse_expiry
from order_api.settings import ApiSettings, InvitationSettings
from order_contract.business_time import business_text
from order_platform.command_line.database import open_connection
from order_platform.command_line.errors import ExitCode
from order_platform.command_line.output import AsJson, failure, print_json
from order_platform.command_line.settings_errors import read_settings
from order_platform.health_server import PortTakenError
from order_platform.logging import configure_logging
from order_platform.postgres.errors import DATABASE_ERRORS

Result = TypeVar("Result")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
keys_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys_app, name="keys")
people_app = typer.Typer(no_args_is_help=True, help="People who sign in to the workbench.")
app.add_typer(people_app, name="people")


@app.command()
def serve() -> None:
    """Serve the API, at ORDERWATCH_API_HOST and ORDERWATCH_API_PORT, until SIGTERM."""
    # Imported here, so that managing keys does not load a web server.
    from order_api.app import create_app, installed_pages, release_clients  # noqa: PLC0415
    from order_api.http import server  # noqa: PLC0415

    settings = read_settings(ApiSettings)
    configure_logging(settings, "order-api")
    try:
        server.serve(settings, partial(create_app, pages=installed_pages()), release_clients)
    except (PortTakenError, OSError) as error:
        raise failure("order-api", f"cannot listen: {error}", ExitCode.UNAVAILABLE) from None


@keys_app.command("create")
def create(
    name: Annotated[str, typer.Option(help="Who or what the key is for.")],
    role: Annotated[keys.Role, typer.Option(help="What it may do; each role includes the ones before it.")],
    expires: Annotated[
        str | None, typer.Option(help="Until when: 90d or 12h from now, or a date and time; else for good.")
    ] = None,
    scope: Annotated[
        list[keys.Scope] | None,
        typer.Option(help="A part of the API that it is for; may be repeated; else all."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Prints it to standard output, this once: only its hash is stored."""
    try:
        expires_at = None if expires is None else parse_expiry(expires, datetime.now(UTC))
        key_id, key = _with_connection(
            lambda connection: keys.create_key(connection, name, role, expires_at=expires_at, scopes=scope or None)
        )
    except ValueError as error:
        raise failure("order-api", str(error)) from None
    if as_json:
        made = {"key_id": key_id, "name": name, "role": role, "scopes": scope or None, "expires_at": expires_at}
        print_json({**made, "key": key})
        return
    typer.echo(f"key {key_id} for {name} with role {role}; it is not shown again:", err=True)
    typer.echo(key)


@keys_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List all keys, revoked ones too, with the minute of their last use; the keys themselves are not stored."""
    entries = _with_connection(keys.list_keys)
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    for entry in entries:
        state = _state(entry, datetime.now(UTC))
        name = entry.name if entry.scopes is None else f"{entry.name}  (only {', '.join(entry.scopes)})"
        used = "never used" if entry.last_used_at is None else f"used {_minute(entry.last_used_at)}"
        typer.echo(f"{entry.key_id}  {entry.role:6}  made {_minute(entry.created_at)}  {used:22}  {state}  {name}")


@keys_app.command("revoke")
def revoke(
    key_id: Annotated[str, typer.Argument(help="Id of the key, as `list` shows it.")], as_json: AsJson = False
) -> None:
    """Revoke a key; the API refuses it and its sessions at once, behind a connection pooler within 5 s."""
    if not _with_connection(lambda connection: keys.revoke_key(connection, key_id)):
        raise failure("order-api", f"no valid key has the id {key_id}")
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        typer.echo(f"key {key_id} is revoked")


@people_app.command("invite")
def invite(
    name: Annotated[str, typer.Argument(help="The person, as others see them.")],
    role: Annotated[keys.Role, typer.Option(help="What they may do; each role includes the ones before it.")],
    as_json: AsJson = False,
) -> None:
    """Print a link that signs a person in once, within an hour. They are added when they are new.

    For a person who is there, the role is changed. `order-api keys revoke` ends their sessions.
    """
    try:
        person, code = _with_connection(lambda connection: people.invite(connection, name, role))
    except ValueError as error:
        raise failure("order-api", str(error)) from None
    settings = read_settings(ApiSettings)
    api_url = read_settings(InvitationSettings).api_url or f"http://{settings.api_host}:{settings.api_port}"
    link = people.sign_in_link(api_url.rstrip("/"), code)
    if as_json:
        print_json({"key_id": person.key_id, "name": name, "role": role, "link": link})
        return
    typer.echo(f"{name} ({person.key_id}) with role {role}; the link works once, within an hour:", err=True)
    typer.echo(link)


def _state(entry: keys.KeyEntry, now: datetime) -> str:
    if entry.revoked_at is not None:
        return f"revoked {_minute(entry.revoked_at)}"
    if entry.expires_at is None:
        return "valid"
    return f"{'valid until' if entry.expires_at > now else 'expired'} {_minute(entry.expires_at)}"


def _minute(moment: datetime) -> str:
    return business_text(moment, "minutes")


def _with_connection(work: Callable[[asyncpg.Connection], Awaitable[Result]]) -> Result:
    url = read_settings(ApiSettings).database_url.get_secret_value()

    async def run() -> Result:
        async with open_connection(url) as connection:
            return await work(connection)

    try:
        return asyncio.run(run())
    except asyncpg.InsufficientPrivilegeError as error:
        raise failure(
            "order-api",
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}. Keys are the operator's: "
            "`. .orderwatch/admin.env`, or docs/security.md",
        ) from None
    except DATABASE_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise failure("order-api", f"Postgres at ORDERWATCH_DATABASE_URL: {reason}", ExitCode.UNAVAILABLE) from None
