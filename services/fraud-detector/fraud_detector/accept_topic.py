"""Command `fraud-detector accept-topic`: lets the groups read topics that were deleted and created again."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import asyncpg
import typer
from aiokafka.errors import KafkaError

from order_platform.command_line.confirmation import require_confirmation
from order_platform.command_line.database import open_connection
from order_platform.command_line.errors import CommandError, UnavailableError
from order_platform.command_line.settings_errors import read_settings
from order_platform.kafka.lag import LagReader
from order_platform.postgres import topic_epochs
from order_platform.postgres.errors import DATABASE_ERRORS
from order_platform.postgres.topic_epochs import GroupBinding
from order_platform.settings import DatabaseSettings, KafkaSettings, Subscription

TIMEOUT = 15.0


class AcceptSettings(KafkaSettings, DatabaseSettings):
    """Settings of the command: the broker with topic and group, and the database that records what the group reads."""


class NothingToAcceptError(Exception):
    """The group can read the topic as it is."""


@dataclass(frozen=True, slots=True)
class TopicReplacement:
    """A topic that replaced the one of the same name: what the group has read, and what is on the topic now."""

    group: str
    topic: str
    binding: GroupBinding
    topic_id: UUID | None
    beginnings: Mapping[int, int]
    messages: int

    def __str__(self) -> str:
        return (
            f"Group '{self.group}' has read {self.binding.messages} messages of topic {self.topic} with id "
            f"{self.binding.topic_id}.\nThe topic's id is {self.topic_id} now, and it holds {self.messages} messages.\n"
            f"What the group had not read of the old topic cannot be read any more. What is stored stays; orders that "
            f"are published again are recorded as duplicates."
        )


def accept_topic(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Read topic orders or labels from its beginning after it was deleted and created again.

    The detector stops when it finds another topic under the name: reading on at the old offsets would skip messages.
    This records that the group reads the new one, from its first message on; detectors do so at their next start.
    """
    settings = read_settings(AcceptSettings)
    try:
        replacements = [_try_to_find(settings, each) for each in (settings.orders, settings.labels)]
        for replacement in filter(None, replacements):
            typer.echo(str(replacement))
            require_confirmation("fraud-detector", "Read the new topic from its beginning?", yes=yes)
            epoch = asyncio.run(_accept(settings, replacement))
            read = f"group '{replacement.group}' reads {replacement.topic} from its beginning, as epoch {epoch}"
            typer.echo(f"Accepted: {read}.")
    except asyncpg.InsufficientPrivilegeError as error:
        raise CommandError(
            f"the database role of ORDERWATCH_DATABASE_URL may not do this: {error}",
            "Accepting a topic is the operator's: `. .orderwatch/admin.env`, or docs/security.md.",
        ) from error
    except (KafkaError, *DATABASE_ERRORS) as error:
        raise UnavailableError(
            f"Kafka or Postgres is unavailable ({str(error) or type(error).__name__}): nothing more was changed",
            "Check ORDERWATCH_KAFKA and ORDERWATCH_DATABASE_URL, and that both serve; then try again.",
        ) from error


def _try_to_find(settings: AcceptSettings, subscription: Subscription) -> TopicReplacement | None:
    try:
        return asyncio.run(_find_replacement(settings, subscription))
    except NothingToAcceptError as nothing:
        typer.echo(str(nothing))
        return None


async def _find_replacement(settings: AcceptSettings, subscription: Subscription) -> TopicReplacement:
    topic, group = subscription
    async with asyncio.timeout(TIMEOUT), LagReader(settings, subscription) as reader:
        topic_id, positions = await reader.read_topic_id(), await reader.read()
    async with open_connection(settings.database_url.get_secret_value()) as connection:
        binding = await topic_epochs.find_binding(connection, group, topic)
    if binding is None:
        raise NothingToAcceptError(
            f"Group '{group}' has read nothing of topic {topic}: detectors begin at its first message."
        )
    lost_its_end = any((position.committed or 0) > position.end for position in positions)
    if binding.topic_id in {None, topic_id} and not lost_its_end:
        raise NothingToAcceptError(f"Topic {topic} is the one that group '{group}' reads: there is nothing to accept.")
    return TopicReplacement(
        group,
        topic,
        binding,
        topic_id,
        {position.partition: position.beginning for position in positions},
        sum(position.end - position.beginning for position in positions),
    )


async def _accept(settings: AcceptSettings, replacement: TopicReplacement) -> int:
    async with open_connection(settings.database_url.get_secret_value()) as connection:
        return await topic_epochs.accept_topic(
            connection, replacement.group, replacement.topic, replacement.topic_id, replacement.beginnings
        )
