"""`orderwatch migrate`: bring schema and topics about, here or elsewhere."""

import asyncio

import typer

from order_contract.migrations import upgrade
from order_contract.topics import ensure_topics
from orderwatch.connection import answering, find_connection
from orderwatch.console import OUT


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)


def migrate() -> None:
    """Bring the database schema to this version and create missing topics; safe to repeat.

    Acts on ORDERWATCH_KAFKA and ORDERWATCH_DATABASE_URL, or on the embedded system.
    """
    connection = find_connection()
    with answering():
        before, after = asyncio.run(upgrade(connection.database_url))
        created = asyncio.run(ensure_topics(connection.kafka))
    OUT.print(f"schema: {after}" if before == after else f"schema: {before or 'none'} -> {after}")
    OUT.print(f"topics: created {', '.join(created)}" if created else "topics: all there")
