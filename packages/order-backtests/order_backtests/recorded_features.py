"""Whether the features that were recorded with past orders serve another ruleset, so that none is computed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import asyncpg

from decision_engine.rule import Ruleset
from decision_engine.ruleset import RulesetError, parse_ruleset
from order_backtests.postgres_source import Span

_VERSIONS: Final = """
    select distinct rulesets.version, rulesets.content
    from orders left join rulesets on rulesets.version = orders.ruleset_version
    where source_topic = $1 and created_date >= $2 and created_date < $3
"""


async def serve_recorded_features(
    connection: asyncpg.Connection[asyncpg.Record], span: Span, rulesets: Sequence[Ruleset]
) -> bool:
    """Whether each version that decided an order of the span has all features of these rulesets, with that meaning."""
    wanted = {feature for ruleset in rulesets for feature in ruleset.features}
    if not wanted:
        return True
    for version, content in await connection.fetch(_VERSIONS, *span):
        try:
            recorded = parse_ruleset(content or "", version or "unknown")
        except RulesetError:
            return False
        if not wanted.issubset(recorded.features):
            return False
    return True
