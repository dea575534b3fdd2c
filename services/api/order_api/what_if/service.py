"""Deciding an order that is not stored: by the engine, over the stored orders of its keys."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

import asyncpg
from fastapi import Depends, Request

from decision_engine.features import ChangedFeatures, EventFeatures, FeatureState
from decision_engine.history.declaration import HistoryFeature
from decision_engine.history.labelled_orders import LabelRank
from decision_engine.history.series import field_of
from decision_engine.history.stream_features import StreamFeatures
from decision_engine.lists import ListFeatures, ListMembers
from decision_engine.ruleset import Ruleset, RulesetError, load_ruleset, parse_ruleset
from decision_engine.what_if import RuleResult, WhatIf, examine
from order_api.auth.dependencies import principal_of
from order_api.auth.keys import Scope
from order_api.auth.personal_data import PersonalDataPolicy
from order_api.http.problems.orders import OrderRefused
from order_api.http.problems.requests import NotPermitted
from order_api.http.problems.rulesets import DraftUnknown, RulesetRefused, RulesetUnknown
from order_api.kit.database import Database, PoolConnection
from order_api.kit.fair_turns import FairPool
from order_api.kit.registry import Provider
from order_api.what_if.filters import Draft, Question, RulesetChoice, SavedDraft
from order_api.what_if.repository import (
    MOST_ORDERS,
    Key,
    NewestLabel,
    read_labels,
    read_newest_version,
    read_orders,
)
from order_api.what_if.schemas import RulesetSource
from order_contract.business_time import business_date
from order_contract.decision import Outcome, status_of
from order_contract.decoding.decoder import EventDecoder
from order_contract.event import BadEvent, OrderEvent
from order_contract.label import Label
from order_lists.repository import read_memberships
from order_platform.postgres.retention import read_retired_before
from order_platform.postgres.ruleset_drafts import UnknownDraftError, find_draft
from order_platform.postgres.ruleset_versions import read_content

UNNAMED: Final = "what-if"
_KEY_SECONDS: Final = timedelta(seconds=2)
_ALL_SECONDS: Final = 6.0


class _Known(NamedTuple):
    """What is stored that concerns an order: earlier orders, their labels, and why features cannot be computed."""

    orders: Sequence[OrderEvent]
    labels: Sequence[NewestLabel]
    members: ListMembers
    not_computed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WhatIfService:
    """Decides what-if questions, on the connections for statistics: keys take turns."""

    statistics: FairPool
    decoder: EventDecoder
    personal_data: PersonalDataPolicy
    orders_topic: str
    labels_topic: str

    async def decide(self, request: Request, question: Question) -> dict[str, Any]:
        """The decision as it is sent.

        Raises NotPermitted, OrderRefused, RulesetRefused, RulesetUnknown, DraftUnknown.
        """
        principal = principal_of(request)
        if self.personal_data.masks(principal):
            raise NotPermitted("what-if counts orders by device and address, which are masked for your key")
        if isinstance(question.ruleset, Draft | SavedDraft) and not principal.has_scope(Scope.LISTS):
            # A draft can name any list, and so ask whether a value is in it.
            raise NotPermitted(f"a draft can look into lists: this needs a key with scope {Scope.LISTS}, too")
        event = self._decode(question.order)

        async def work(database: Database) -> dict[str, Any]:
            ruleset, source = await find_ruleset(database, question.ruleset)
            async with database.snapshot() as connection:
                known = await self._read(connection, event, ruleset)
            found = await asyncio.to_thread(_examine, event, ruleset, known)
            return _as_document(event, found, source, known.not_computed)

        return await self.statistics.run(request, principal.key_id, work)

    def _decode(self, order: Mapping[str, Any]) -> OrderEvent:
        try:
            # By the standard library, which writes integers of any size: the decoder refuses them by name.
            return self.decoder.decode(json.dumps({"order_id": UNNAMED, **order}).encode(), datetime.now(UTC))
        except BadEvent as error:
            raise OrderRefused(str(error), error.error_type) from None

    async def _read(self, connection: PoolConnection, event: OrderEvent, ruleset: Ruleset) -> _Known:
        features = _features_by_key(ruleset.features)
        retired_before = await read_retired_before(connection) if features else None
        deadline = asyncio.get_running_loop().time() + _ALL_SECONDS
        orders: dict[str, OrderEvent] = {}
        not_computed: dict[str, str] = {}
        for names, declared in features.items():
            values = tuple(field_of(event, name) for name in names)
            if None in values:
                continue  # an order that lacks the key has no history
            key = Key(names, values, timedelta(microseconds=max(each.window for each in declared)))
            reason = None
            if retired_before is not None and event.created_date - key.window < retired_before:
                reason = f"orders before {business_date(retired_before)} were removed from the database"
            elif asyncio.get_running_loop().time() > deadline:
                reason = f"reading the orders of all keys took longer than {_ALL_SECONDS:.0f} s"
            else:
                try:
                    found = await read_orders(connection, self.orders_topic, event, key, _KEY_SECONDS)
                except asyncpg.QueryCanceledError:
                    seconds = int(_KEY_SECONDS.total_seconds())
                    reason = f"finding orders with the same {' and '.join(names)} took longer than {seconds} s"
                else:
                    if len(found) > MOST_ORDERS:
                        reason = f"more than {MOST_ORDERS:,} orders have the same {' and '.join(names)}"
                    else:
                        orders |= {each.order_id: each for each in found}
            if reason is not None:
                not_computed |= {each.name: reason for each in declared}
        await connection.execute("reset statement_timeout")
        labels: Sequence[NewestLabel] = ()
        if orders and any(feature.label for feature in ruleset.features):
            labels = await read_labels(connection, self.labels_topic, orders)
        members = ListMembers()
        members.load(0, await read_memberships(connection, _texts(event)))
        return _Known(list(orders.values()), labels, members, not_computed)


WhatIfs = Annotated[WhatIfService, Depends(Provider(WhatIfService))]


async def find_ruleset(database: Database, wanted: RulesetChoice | None) -> tuple[Ruleset, RulesetSource]:
    """The ruleset that a question is about. Raises RulesetRefused, RulesetUnknown, DraftUnknown."""
    if isinstance(wanted, Draft | SavedDraft):
        draft = wanted.draft if isinstance(wanted, Draft) else await _read_draft(database, wanted.draft_name)
        return await parse_draft_text(draft), RulesetSource.DRAFT
    version = await read_newest_version(database) if wanted is None else wanted.version
    if version is None:
        return await asyncio.to_thread(load_ruleset), RulesetSource.DEFAULT
    source = RulesetSource.NEWEST if wanted is None else RulesetSource.STORED
    return await find_stored_ruleset(database, version), source


async def find_stored_ruleset(database: Database, version: str) -> Ruleset:
    """The ruleset of a version. Raises RulesetUnknown, RulesetRefused."""
    content = await read_content(database, version)
    if content is None:
        raise RulesetUnknown(version)
    try:
        return await asyncio.to_thread(_parse_stored, content, version)
    except RulesetError as error:
        raise RulesetRefused(f"this release does not accept the stored version: {error}") from None


async def parse_draft_text(content: str) -> Ruleset:
    """The ruleset of a draft. Raises RulesetRefused."""
    try:
        return await asyncio.to_thread(parse_ruleset, content, "draft")
    except RulesetError as error:
        raise RulesetRefused(str(error)) from None


async def _read_draft(database: Database, name: str) -> str:
    try:
        return (await find_draft(database, name)).content
    except UnknownDraftError as error:
        raise DraftUnknown(str(error)) from None


@lru_cache(maxsize=8)
def _parse_stored(content: str, version: str) -> Ruleset:
    return parse_ruleset(content, version)


def _features_by_key(features: Sequence[HistoryFeature]) -> Mapping[tuple[str, ...], Sequence[HistoryFeature]]:
    found: dict[tuple[str, ...], list[HistoryFeature]] = {}
    for feature in features:
        found.setdefault(feature.key, []).append(feature)
    return found


def _texts(event: OrderEvent) -> list[str]:
    """The values by which an order may be in lists."""
    return [value for value in (*event, *(event.attributes or {}).values()) if type(value) is str]


def _examine(event: OrderEvent, ruleset: Ruleset, known: _Known) -> WhatIf:
    state: FeatureState = EventFeatures()
    if ruleset.features:
        history = StreamFeatures(ruleset.features)
        history.advance_time(event.created_date)
        history.await_orders([label.order_id for label in known.labels])
        history.load(known.orders)
        for order in known.orders:
            history.find_labelled_before(order)
        for order_id, label, *rank in known.labels:
            history.apply_label(order_id, Label(label), LabelRank(*rank))
        state = ChangedFeatures(history, dict.fromkeys(known.not_computed)) if known.not_computed else history
    return examine(event, ListFeatures(state, known.members, ruleset), ruleset)


def _as_document(
    event: OrderEvent, found: WhatIf, source: RulesetSource, not_computed: Mapping[str, str]
) -> dict[str, Any]:
    decision = found.decision
    return {
        "status": status_of(decision.outcome),
        "outcome": decision.outcome,
        "flagged": decision.outcome is not Outcome.APPROVE,
        "risk_score": decision.risk_score,
        "hits": decision.hits,
        "features": dict(decision.features),
        "ruleset_version": decision.ruleset_version,
        "ruleset_source": source,
        "order": event._asdict(),
        "rules": [rule_document(each) for each in found.rules],
        "changes": [change._asdict() for change in found.changes],
        "not_computed": [{"feature": name, "reason": reason} for name, reason in not_computed.items()],
    }


def rule_document(result: RuleResult) -> dict[str, Any]:
    """What one rule says, as it is sent."""
    rule = result.rule
    return {
        "rule": rule.id,
        "mode": rule.mode,
        "when": rule.when,
        "score": rule.score,
        "outcome": rule.outcome,
        "fires": result.fires,
        "snoozed": result.is_snoozed,
        "values": result.values,
        "comparisons": [each._asdict() for each in result.comparisons],
    }
