"""`orderwatch migrate`: bring schema and topics about, here or elsewhere."""

import asyncio

from order_contract.migrations import upgrade
from order_contract.topics import ensure_topics
from orderwatch.broker import broker_answers
from orderwatch.connection import database_settings, kafka_settings
from orderwatch.console import OUT
from orderwatch.database import database_answers
from orderwatch.embedded.layout import MIGRATE_ENV


def migrate() -> None:
    """Bring the database schema to this version and create missing topics; safe to repeat.

    Acts on the system that ORDERWATCH_KAFKA and ORDERWATCH_DATABASE_URL name, or on the one in this checkout.
    The database role is the owner of the database; the roles of the processes that exist get their privileges:
    docs/security.md.
    """
    kafka, database = kafka_settings(), database_settings(MIGRATE_ENV)
    with database_answers(database):
        before, after = asyncio.run(upgrade(database.database_url.get_secret_value(), kafka.orders_topic))
    with broker_answers(kafka):
        created = asyncio.run(ensure_topics(kafka))
    OUT.print(f"schema: {after}" if before == after else f"schema: {before or 'none'} -> {after}")
    OUT.print(f"topics: created {', '.join(created)}" if created else "topics: all there")
