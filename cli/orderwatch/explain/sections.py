"""Sections of the explanation of a stored order, each a pure function of the evidence."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from decision_engine.compilation import LISTS
from decision_engine.evaluate import evaluate
from decision_engine.expression import names_in
from decision_engine.features import EventFeatures, RecordedFeatures
from decision_engine.history.declaration import ATTRIBUTE
from decision_engine.rule import snoozed_rules
from decision_engine.ruleset import Rule, Ruleset, RulesetError, parse_ruleset
from order_contract.business_time import business_date
from order_contract.decision import DECISION_COLUMNS, SNOOZED, OrderRow, decision_columns
from order_contract.decision_record import encode_decision
from order_contract.decoding.decoder import MAX_FUTURE_HOURS, EventDecoder
from order_contract.event import BadEvent, OrderEvent, same_numbers
from order_contract.message import Message
from order_contract.origin import Origin
from order_platform.kafka.topic_reader import Missing
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.explanation import (
    Difference,
    Section,
    decision_from_columns,
    decision_from_fields,
    differences,
    stored_features,
    stored_hits,
)
from orderwatch.formatting import reason

MESSAGE_SECTION = Section("message", "The message on the topic")


def message_section(evidence: OrderEvidence) -> Section:
    """The message that a stored order was made of."""
    row, message = evidence.row, evidence.message
    if isinstance(message, Missing):
        return missing_message_section(evidence.origin, message)
    return replace(
        MESSAGE_SECTION,
        facts=message_facts(message),
        checked="the time at which it was appended",
        here="on the topic",
        differences=differences({"appended_at": row.appended_at}, {"appended_at": _append_time(message)}),
    )


def _append_time(record: Message) -> datetime:
    """When the broker appended it."""
    return datetime.fromtimestamp(record.timestamp / 1000, UTC)


def message_facts(record: Message) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "appended_at": _append_time(record),
        "key": record.key,
        "headers": dict(record.headers),
        "bytes": len(record.value or b""),
        "value": record.value,
    }


def missing_message_section(origin: Origin, message: Missing) -> Section:
    where = {
        "topic": origin.topic, "epoch": origin.epoch, "partition": origin.partition, "offset": origin.offset
    }  # fmt: skip
    return replace(MESSAGE_SECTION, facts=where, notes=[message.reason])


def event_section(evidence: OrderEvidence) -> Section:
    """The decoded event, each field compared with its column."""
    row, message = evidence.row, evidence.message
    if isinstance(message, Missing):
        return Section("event", "The event, decoded now", notes=["without the message there is nothing to decode"])
    checked, here = "each field with its column", "decoded now"
    try:
        event = stored_decoder(row.payment_method).decode(message.value, row.appended_at)
    except BadEvent as error:
        found = [Difference(error.field or "message", "an order", str(error))]
        return Section("event", "The event, decoded now", checked=checked, here=here, differences=found)
    return Section(
        "event",
        "The event, decoded now",
        facts={name: value for name, value in event._asdict().items() if value is not None},
        checked=checked,
        here=here,
        differences=event_differences(row, event),
    )


def event_differences(row: OrderRow, event: OrderEvent) -> list[Difference]:
    """The fields in which a stored order and its message's event are not the same, to the byte."""
    stored = dict(zip(OrderEvent._fields[:-1], row, strict=False))
    found = differences(stored, dict(zip(OrderEvent._fields[:-1], event, strict=False)))
    text = None if event.attributes is None else orjson.dumps(event.attributes).decode()
    if text != row.attributes:
        by_name = differences(_attributes(row.attributes), _attributes(text))
        found += by_name or [Difference("attributes", row.attributes, text)]
    return found


@lru_cache(maxsize=100)
def stored_decoder(payment_method: str) -> EventDecoder:
    """A decoder for an order that is stored, with whatever payment methods and bound on times its detector was set."""
    return EventDecoder((payment_method,), max_future_hours=MAX_FUTURE_HOURS)


def content_differences(row: OrderRow, event: OrderEvent) -> list[Difference]:
    """The fields in which a stored order and another message's event differ in content, whatever the spelling."""
    stored, here = (_content(each) for each in (row.event(), event))
    return differences(stored, here)


def _content(event: OrderEvent) -> dict[str, object]:
    return {**dict(zip(OrderEvent._fields[:-1], event, strict=False)), **_each_as_json(same_numbers(event.attributes))}


def _each_as_json(attributes: dict[str, Any] | None) -> dict[str, object]:
    dumped = ((name, orjson.dumps(value, option=orjson.OPT_SORT_KEYS)) for name, value in (attributes or {}).items())
    return {f"attributes.{name}": text.decode() for name, text in dumped}


def _attributes(text: str | None) -> dict[str, object]:
    """Each attribute as JSON, so that 1, 1.0 and true differ."""
    values = orjson.loads(text or "{}")
    if not isinstance(values, dict):
        return {"attributes": text}
    return {f"attributes.{name}": orjson.dumps(value).decode() for name, value in values.items()}


def rules_section(evidence: OrderEvidence) -> Section:
    """The ruleset that decided the order, evaluated on the stored values."""
    row = evidence.row
    ruleset = read_ruleset(evidence)
    if isinstance(ruleset, str):
        return Section("rules", f"Ruleset {row.ruleset_version}", notes=[ruleset])
    event, features = row.event(), stored_features(row)
    return Section(
        "rules",
        f"Ruleset {ruleset.version}, on the stored values",
        facts={"review_at": ruleset.review_at, "decline_at": ruleset.decline_at},
        rows=[_evaluate_rule(rule, ruleset, event, features) for rule in ruleset.rules],
    )


def read_ruleset(evidence: OrderEvidence) -> Ruleset | str:
    """The ruleset that decided the order, or why it cannot be had."""
    version = evidence.row.ruleset_version
    if evidence.ruleset is None:
        return f"ruleset {version} is not in table rulesets"
    return _parse_ruleset(version, evidence.ruleset)


@lru_cache(maxsize=100)  # many orders share a ruleset, and reading YAML takes longer than all the rest
def _parse_ruleset(version: str, text: str) -> Ruleset | str:
    try:
        return parse_ruleset(text, f"ruleset {version}")
    except RulesetError as error:
        return f"ruleset {version} is not accepted by this version of the rules: {error}"


def _evaluate_rule(rule: Rule, ruleset: Ruleset, event: OrderEvent, features: Mapping[str, Any]) -> dict[str, object]:
    attributes = {ATTRIBUTE + name: value for name, value in (event.attributes or {}).items()}
    lists = {name: name in features.get(LISTS, ()) for name in ruleset.schema.lists}
    known = {**event._asdict(), **attributes, **features, **lists}
    try:
        fired: object = rule.condition(event, features)
    except (KeyError, TypeError) as error:
        fired = f"cannot be evaluated: {error!r}"
    return {
        "rule": rule.id,
        "mode": SNOOZED if rule.id in snoozed_rules(features) else rule.mode,
        "score": rule.score,
        "when": rule.when,
        "values": {name: known.get(name) for name in names_in(rule.when)},
        "fires": fired,
    }


def decision_section(evidence: OrderEvidence) -> Section:
    """The stored decision, compared to the bit with what the engine says today."""
    row = evidence.row
    return Section(
        "decision",
        "The decision, as stored",
        facts={
            "status": row.status,
            "outcome": row.outcome,
            "risk_score": row.risk_score,
            "reasons": [reason(hit) for hit in stored_hits(row)] or ["no rule fired"],
            "features": stored_features(row),
            "ruleset_version": row.ruleset_version,
            "decided_at": row.decided_at,
        },
        checked="decided again from the stored values, to the bit",
        here="decided again",
        differences=_compare_with_evaluation(evidence),
    )


def _compare_with_evaluation(evidence: OrderEvidence) -> list[Difference]:
    row = evidence.row
    ruleset = read_ruleset(evidence)
    if isinstance(ruleset, str):
        return [Difference("ruleset_version", row.ruleset_version, ruleset)]
    event, features = row.event(), stored_features(row)
    try:
        decision = evaluate(event, RecordedFeatures(features), ruleset)
    except (KeyError, TypeError) as error:
        return [Difference("features", row.features, f"nothing can be decided with these: {error!r}")]
    stored = _plain(getattr(row, name) for name in DECISION_COLUMNS)
    again = _plain(decision_columns(decision))
    # What follows from the order alone is computed again; what depended on earlier orders is taken as it is stored.
    again["features"] = orjson.dumps({**features, **EventFeatures().features(event)}).decode()
    if stored == again:
        return []
    # By the values inside for a person; where those are the same, it is the text that differs.
    return differences(decision_from_columns(stored), decision_from_columns(again)) or differences(stored, again)


def _plain(values: Iterable[object]) -> dict[str, object]:
    """Columns as they are stored: text rather than members of an enumeration."""
    return {
        name: str(value) if isinstance(value, str) else value
        for name, value in zip(DECISION_COLUMNS, values, strict=True)
    }


def published_decision_section(evidence: OrderEvidence) -> Section:
    """The record, compared to the byte with what the stored row gives."""
    record = evidence.published
    if isinstance(record, Missing):
        return Section("published_decision", "The record on the decisions topic", notes=[record.reason])
    return Section(
        "published_decision",
        "The record on the decisions topic",
        facts={
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "bytes": len(record.value or b""),
        },
        checked="identical to the byte with what the stored row gives",
        here="published",
        differences=_compare_published(encode_decision(evidence.row), record.value),
    )


# What earlier releases did not publish.
_ADDED_TO_DECISIONS = frozenset({"topic", "topic_epoch"})


def _compare_published(stored: bytes, published: bytes | None) -> list[Difference]:
    if stored == published:
        return []
    try:
        fields = orjson.loads(published or b"")
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        return [Difference("value", stored, published)]
    expected = orjson.loads(stored)
    if not _ADDED_TO_DECISIONS & fields.keys():
        expected = {name: value for name, value in expected.items() if name not in _ADDED_TO_DECISIONS}
        if orjson.dumps(expected) == published:
            return []
    found = differences(decision_from_fields(expected), decision_from_fields(fields))
    return found or [Difference("value", stored, published)]


def related_messages_section(evidence: OrderEvidence) -> Section:
    """Duplicates, conflicts and dead letters that came with the same order id."""
    return Section(
        "related_messages",
        "Other messages with this order id",
        rows=[
            {
                "origin": str(each.origin),
                "outcome": each.outcome,
                "error": each.error,
                "recorded_at": each.recorded_at,
            }
            for each in evidence.related
        ],
    )


WAREHOUSE_SECTION = Section("warehouse", "The row in the warehouse")
# When it was stored is the database's own, and not part of what is compared everywhere else.
_NOT_COMPARED = {"stored_at"}
# Null in what an earlier release loaded.
_ADDED_TO_WAREHOUSE = {"source_topic", "source_epoch", "features", "seen", "lists_seen"}


def warehouse_section(evidence: OrderEvidence) -> Section:
    """The row with its load, compared column by column; empty when the warehouse was not asked."""
    found = evidence.warehouse
    if found is None:
        return WAREHOUSE_SECTION
    if isinstance(found, Missing):
        return replace(WAREHOUSE_SECTION, notes=[found.reason])
    facts = {"business_date": found.business_date, "loaded_at": found.loaded_at}
    if found.columns is None:
        what = "it came after that load" if found.loaded_at else "its date is not loaded yet"
        return replace(WAREHOUSE_SECTION, facts=facts, notes=[what])
    here = {
        name: value
        for name, value in found.columns.items()
        if name not in _NOT_COMPARED and not (value is None and name in _ADDED_TO_WAREHOUSE)
    }
    row = {
        **evidence.row._asdict(),
        "business_date": business_date(evidence.row.created_date).isoformat(),
        "seen": None if evidence.row.seen is None else evidence.row.seen.hex(),
    }
    stored = {name: row.get(name) for name in here}
    return replace(
        WAREHOUSE_SECTION,
        facts=facts,
        checked=f"{len(here)} columns",
        here="in the warehouse",
        differences=differences(stored, {name: _as_moment(stored[name], value) for name, value in here.items()}),
    )


def _as_moment(stored: object, value: object) -> object:
    """A moment, which JSON has as text, where one is stored."""
    return datetime.fromisoformat(value) if isinstance(stored, datetime) and isinstance(value, str) else value


ORDER_SECTIONS: Sequence[Callable[[OrderEvidence], Section]] = (
    message_section,
    event_section,
    rules_section,
    decision_section,
    published_decision_section,
    related_messages_section,
    warehouse_section,
)
