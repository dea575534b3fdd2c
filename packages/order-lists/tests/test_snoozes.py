"""Rules that can be snoozed: which recorded rulesets are parsed to find one, and where."""

import threading
from typing import Any

import pytest

from decision_engine.ruleset import Ruleset, load_ruleset, parse_ruleset
from order_lists import snoozes
from order_lists.snoozes import UnknownRuleError, require_known_rule

RULESET = load_ruleset()


class Recorded:
    """A database with recorded rulesets, the newest of them written for another release."""

    async def fetch(self, query: str, /, *args: Any) -> list[Any]:
        return [("other", "rules: 1"), (RULESET.version, RULESET.content), ("older", RULESET.content)]

    async def fetchrow(self, query: str, /, *args: Any) -> None:
        raise NotImplementedError


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions that were parsed, none of them on the event loop's thread."""
    versions: list[str] = []

    def parse(content: str, version: str) -> Ruleset:
        assert threading.current_thread() is not threading.main_thread()
        versions.append(version)
        return parse_ruleset(content, version)

    monkeypatch.setattr(snoozes, "parse_ruleset", parse)
    return versions


async def test_rulesets_are_parsed_up_to_the_first_that_has_the_rule(parsed: list[str]) -> None:
    await require_known_rule(Recorded(), "foreign-country")
    assert parsed == ["other", RULESET.version]


async def test_a_rule_of_no_ruleset_is_named(parsed: list[str]) -> None:
    with pytest.raises(UnknownRuleError, match="write foreign-country"):
        await require_known_rule(Recorded(), "foreign-contry")
    assert parsed == ["other", RULESET.version, "older"]
