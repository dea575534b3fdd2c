"""Explaining stored orders: decided again by the engine on what is stored, and their messages on the topic."""

import asyncio
from base64 import b64encode
from codecs import getincrementaldecoder
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from fastapi import Depends, Request

from decision_engine.evaluate import evaluate
from decision_engine.features import RecordedFeatures
from decision_engine.replay.orders import ERASED
from decision_engine.ruleset import Ruleset
from decision_engine.what_if import examine
from order_api.auth.dependencies import principal_of
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.http.problems.availability import BrokerUnavailable
from order_api.http.problems.orders import OrderUnexplained
from order_api.http.problems.requests import NotPermitted
from order_api.kit.database import Database
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.kit.timeouts import ProgressTimeout, describe_kafka_failure
from order_api.orders.lookups import require_order
from order_api.what_if.service import find_stored_ruleset, rule_document
from order_contract.decision import DECISION_COLUMNS, OrderRow, decision_columns
from order_contract.event import fingerprint
from order_contract.message import Message
from order_platform.kafka.topic_reader import SINGLE_MESSAGES, Found, Missing, TopicReader
from order_platform.postgres.topic_epochs import find_epoch, read_epochs
from order_platform.settings import KafkaSettings

SHOWN_BYTES: Final = 65_536
"""Of a message, unless all of it is asked for."""
MESSAGES_AT_ONCE: Final = 4
# A broker that accepts connections and does not respond would hold a request up for 40 s.
BROKER_SECONDS: Final = 4.0


class ExplanationService:
    """Explains orders, on the connections for statistics, as trying changes takes a moment; keys take turns."""

    def __init__(
        self,
        settings: KafkaSettings,
        lookups: Database,
        statistics: FairPool,
        personal_data: PersonalDataPolicy,
        seconds: float = BROKER_SECONDS,
    ) -> None:
        self._settings = settings
        self._lookups = lookups
        self._statistics = statistics
        self._personal_data = personal_data
        self._messages_at_once = asyncio.Semaphore(MESSAGES_AT_ONCE)
        self._timeout = ProgressTimeout(seconds)

    async def close(self) -> None:
        """Wait a little for clients that are being closed."""
        await self._timeout.close()

    async def explain(self, request: Request, order_id: str) -> dict[str, Any]:
        """The explanation as it is sent.

        Raises NotPermitted, OrderUnknown, OrderUnexplained, RulesetUnknown, RulesetRefused.
        """
        self._reject_masked(request)

        async def work(database: Database) -> dict[str, Any]:
            row = (await require_order(database, order_id)).row
            if row.features == ERASED:
                raise OrderUnexplained("the order is of an erased person: what the rules saw is gone")
            ruleset = await find_stored_ruleset(database, row.ruleset_version)
            try:
                return await asyncio.to_thread(build_explanation, row, ruleset)
            except (KeyError, TypeError) as error:
                raise OrderUnexplained(f"nothing can be decided with the stored features: {error!r}") from None

        return await self._statistics.run(request, principal_of(request).key_id, work)

    async def find_message(self, request: Request, order_id: str) -> tuple[OrderRow, Found]:
        """A stored order and its message. Raises NotPermitted, OrderUnknown, BrokerUnavailable."""
        self._reject_masked(request)
        row = (await require_order(self._lookups, order_id)).row
        try:
            return row, await self._timeout.run(self._read(row))
        except (KafkaError, TimeoutError) as error:
            raise BrokerUnavailable(f"the request to Kafka for the message {describe_kafka_failure(error)}") from error

    async def _read(self, row: OrderRow) -> Found:
        topic, place = row.source_topic, (row.source_partition, row.source_offset)
        async with self._messages_at_once, TopicReader(self._settings, **SINGLE_MESSAGES) as topics:
            try:
                topic_id = await topics.topic_id(topic)
            except UnknownTopicOrPartitionError:
                return Missing(f"topic {topic} does not exist any more")
            if find_epoch(await read_epochs(self._lookups, topic), topic_id) != row.source_epoch:
                return Missing(f"topic {topic} was deleted and created again since, with other messages")
            return (await topics.find_at(topic, [place]))[place]

    def _reject_masked(self, request: Request) -> None:
        if self._personal_data.masks(principal_of(request)):
            raise NotPermitted("what rules saw and messages hold personal data, which is masked for your key")


Explanations = Annotated[ExplanationService, Depends(Provider(ExplanationService))]


def build_explanation(row: OrderRow, ruleset: Ruleset) -> dict[str, Any]:
    """What each rule makes of a stored order with the features that are stored, and what would have changed it."""
    event = row.event()
    recorded = RecordedFeatures(orjson.loads(row.features))
    found = examine(event, recorded, ruleset)
    again = decision_columns(evaluate(event, recorded, ruleset))
    stored = tuple(getattr(row, name) for name in DECISION_COLUMNS)
    return {
        "order_id": row.order_id,
        "ruleset_version": row.ruleset_version,
        "review_at": ruleset.review_at,
        "decline_at": ruleset.decline_at,
        "agrees": again == stored,
        "fingerprint": fingerprint(event),
        "rules": [rule_document(each) for each in found.rules],
        "changes": [change._asdict() for change in found.changes],
    }


def message_bytes(message: Found) -> bytes | None:
    """All bytes of a message; None when it is missing."""
    return None if isinstance(message, Missing) else message.value or b""


def message_document(row: OrderRow, message: Found, *, whole: bool = False) -> dict[str, Any]:
    """A message as it is sent."""
    origin = row.origin
    place = {"order_id": row.order_id, **origin._asdict()}
    if isinstance(message, Missing):
        content = ("appended_at", "key", "headers", "bytes", "encoding", "value", "is_cut")
        return {**place, "missing": message.reason, **dict.fromkeys(content)}
    return {**place, "missing": None, **_content(message, whole=whole)}


def _content(message: Message, *, whole: bool) -> dict[str, Any]:
    value = message.value or b""
    shown = value if whole else value[:SHOWN_BYTES]
    is_cut = len(shown) < len(value)
    try:
        # Not final where it is cut: a character that the cut has split is left out.
        text, encoding = getincrementaldecoder("utf-8")().decode(shown, final=not is_cut), "utf-8"
    except UnicodeDecodeError:
        text, encoding = b64encode(shown).decode(), "base64"
    return {
        "appended_at": datetime.fromtimestamp(message.timestamp / 1000, UTC),
        "key": None if message.key is None else message.key.decode(errors="replace"),
        "headers": [{"name": name, "value": (held or b"").decode(errors="replace")} for name, held in message.headers],
        "bytes": len(value),
        "encoding": encoding,
        "value": text,
        "is_cut": is_cut,
    }
