"""Snoozes: one rule does not count for one user, device or address until a time. Each is an entry of a list."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from decision_engine.lists import snooze_name
from decision_engine.ruleset import RulesetError, parse_ruleset
from order_contract.nearest import nearest_name
from order_lists.model import SNOOZE_FIELDS, SNOOZE_KIND, ChangeRequest, ChangeResult, ListError, ListSpec
from order_lists.repository import Connection, change_entries, create_list
from order_platform.postgres.sql_builder import QueryExecutor

MAX_DAYS: Final = 365

# Of the newest versions: those that detectors decide by, whether active or given by a file.
_RULESETS: Final = "select version, content from rulesets order by first_used_at desc limit 20"


class UnknownRuleError(ListError):
    """No ruleset that was recorded has this rule."""


def snooze_spec(rule: str, field: str) -> ListSpec:
    """The list of those for whom a rule is snoozed. Raises ListError."""
    if field not in SNOOZE_FIELDS.values():
        raise ListError(f"a rule is snoozed by {', '.join(SNOOZE_FIELDS.values())}, not by '{field[:64]}'")
    return ListSpec(snooze_name(rule, field), SNOOZE_KIND, field)


def snooze_expiry(now: datetime, days: int) -> datetime:
    """When a snooze of some days ends. Raises ListError."""
    if not 1 <= days <= MAX_DAYS:
        raise ListError(f"a rule is snoozed for 1 to {MAX_DAYS} days, not {days:,}; change the rule for longer")
    return now + timedelta(days=days)


async def require_known_rule(database: QueryExecutor, rule: str) -> None:
    """Raises UnknownRuleError, which names the nearest rule, unless a recorded ruleset has the rule."""
    rulesets = [(version, content) for version, content in await database.fetch(_RULESETS)]
    # In a thread: parsing takes long enough to be noticed by whatever else the event loop serves.
    known = await asyncio.to_thread(_read_rule_ids, rulesets, rule)
    if rule in known:
        return
    nearest = nearest_name(rule.lower()[:64], known)
    there_are = f"there are {', '.join(list(known)[:20])}" if known else "no ruleset was recorded yet: start a detector"
    raise UnknownRuleError(f"rule '{rule[:64]}' does not exist; {f'write {nearest}' if nearest else there_are}")


def _read_rule_ids(rulesets: Sequence[tuple[str, str]], wanted: str) -> dict[str, str]:
    """Ids of the rules of rulesets, given as (version, content), up to the first one that has the wanted rule."""
    known: dict[str, str] = {}
    for version, content in rulesets:
        try:
            known |= {each.id: each.id for each in parse_ruleset(content, version).rules}
        except RulesetError:
            continue  # written for another release
        if wanted in known:
            break
    return known


async def snooze_rule(
    connection: Connection,
    rule: str,
    field: str,
    values: Sequence[str],
    *,
    expires_at: datetime,
    author: str,
    reason: str,
    provenance: str,
) -> ChangeResult:
    """Snooze a rule for orders with one of these values that are created before `expires_at`. Raises ListError."""
    spec = snooze_spec(rule, field)
    async with connection.transaction():
        await require_known_rule(connection, rule)
        await create_list(connection, spec, author)
        return await change_entries(
            connection,
            ChangeRequest(
                list_name=spec.name,
                author=author,
                reason=reason,
                provenance=provenance,
                action="snooze",
                add=dict.fromkeys(values, expires_at),
            ),
        )


async def end_snooze(
    connection: Connection, rule: str, field: str, values: Sequence[str], *, author: str, reason: str, provenance: str
) -> ChangeResult:
    """Let a rule count again before its snooze ends. Raises ListError."""
    return await change_entries(
        connection,
        ChangeRequest(
            list_name=snooze_spec(rule, field).name,
            author=author,
            reason=reason,
            provenance=provenance,
            action="end-snooze",
            remove=frozenset(values),
        ),
    )
