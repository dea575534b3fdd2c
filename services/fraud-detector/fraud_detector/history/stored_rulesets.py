"""Stored rulesets, read again to compute what they decided."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import asyncpg

from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset

_RULESETS: Final = "select version, content from rulesets where version = any($1::text[])"


async def read_accepted_rulesets(
    connection: asyncpg.Connection[asyncpg.Record], versions: Iterable[str]
) -> dict[str, Ruleset]:
    """The rulesets of these versions, by version, without those that this release does not accept."""
    rulesets = {}
    for version, content in await connection.fetch(_RULESETS, list(versions)):
        try:
            rulesets[version] = parse_ruleset(content, version)
        except RulesetError:
            continue  # written for another release
    return rulesets
