"""Publishing a ruleset, rolling one out and rolling back: what the command line and the API have in common."""

import asyncio
from collections.abc import Mapping
from typing import Any

from decision_engine.example_runner import run_examples
from decision_engine.explanation import explain_difference
from decision_engine.marketplace_pack import add_marketplace_pack
from decision_engine.pack_mode import PackMode
from decision_engine.rollout import EVERYONE, DecidingRulesets, Rollout
from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from order_backtests.publication.stored_versions import find_version, read_ruleset
from order_contract.ruleset_pointer import RulesetPointer
from order_platform.command_line.errors import CommandError
from order_platform.postgres.ruleset_drafts import Draft
from order_platform.postgres.ruleset_versions import (
    Action,
    Connection,
    RolloutError,
    activate,
    find_activated,
    read_active_version,
    read_pointer,
    roll_out,
)

NOTHING_PUBLISHED = "Nothing was published."


def parse_draft(draft: Draft, hint: str = NOTHING_PUBLISHED) -> Ruleset:
    """The ruleset of a draft. Raises CommandError with the hint when this release does not accept it."""
    try:
        return parse_ruleset(draft.content, f"draft {draft.name}")
    except RulesetError as error:
        raise CommandError(f"this release does not accept the draft: {error}", hint) from None


async def explain_draft(connection: Connection, draft: Draft) -> list[str] | None:
    """How a draft differs from the active version, in sentences; None while none is active. Raises CommandError."""
    active = await read_active_version(connection)
    if active is None:
        return None
    own = await asyncio.to_thread(parse_draft, draft, "Save it again.")
    return [*explain_difference(await read_ruleset(connection, active), own)]


def require_approval(draft: Draft, *, wanted: bool) -> None:
    """Raises CommandError for a draft without the approval that ORDERWATCH_PUBLISH_APPROVAL wants."""
    if wanted and draft.approved_by is None:
        raise CommandError(f"draft '{draft.name}' is not approved, which ORDERWATCH_PUBLISH_APPROVAL asks for")


def require_examples(ruleset: Ruleset, source: str) -> None:
    """Raises CommandError when an example of the ruleset is not as expected; it names file and line."""
    failed = [result for result in run_examples(ruleset) if not result.as_expected]
    if failed:
        places = "; ".join(f"{source}:{each.example.line}: rule '{each.rule.id}'" for each in failed[:5])
        raise CommandError(
            f"{len(failed)} examples are not as expected: {places}",
            f"{NOTHING_PUBLISHED} fraud-detector rules test FILE shows what is different.",
        )


def add_pack(ruleset: Ruleset, pack: PackMode, hint: str = NOTHING_PUBLISHED) -> Ruleset:
    """The ruleset as detectors run it. Raises CommandError with the hint when it and the pack do not go together."""
    try:
        return add_marketplace_pack(ruleset, pack)
    except RulesetError as error:
        raise CommandError(str(error), hint) from None


def approval_evidence(draft: Draft | None) -> Mapping[str, Any]:
    """What the audit log keeps of a draft that is published."""
    return {} if draft is None else {"draft": draft.name, "authors": draft.authors, "approved_by": draft.approved_by}


async def publish_ruleset(
    connection: Connection,
    ruleset: Ruleset,
    percent: int | None,
    *,
    pack: PackMode,
    author: str,
    message: str | None,
    evidence: Mapping[str, Any] | None = None,
) -> tuple[RulesetPointer | None, RulesetPointer]:
    """Make a ruleset active, or with 1 to 99 percent of the users the candidate; returns what was and is active.

    Raises CommandError.
    """
    if percent is None or percent == EVERYONE:
        before = await activate(
            connection, ruleset.version, ruleset.content,
            action=Action.PUBLISH, author=author, message=message, evidence=evidence,
        )  # fmt: skip
        return before, RulesetPointer(ruleset.version)
    stable = await read_active_version(connection)
    if stable is not None:
        active = await read_ruleset(connection, stable)
        try:
            candidate = add_marketplace_pack(ruleset, pack)
            DecidingRulesets(add_marketplace_pack(active, pack), Rollout(candidate, EVERYONE, candidate.version))
        except RulesetError as error:
            raise CommandError(str(error), NOTHING_PUBLISHED) from None
    try:
        return await roll_out(
            connection, ruleset.version, ruleset.content, percent, author=author, message=message, evidence=evidence
        )
    except RolloutError as error:
        raise CommandError(str(error), NOTHING_PUBLISHED) from None


async def roll_back(
    connection: Connection, version: str | None, *, pack: PackMode, author: str, message: str | None
) -> tuple[RulesetPointer | None, RulesetPointer]:
    """Make the version that is named by its first characters active again, or the one before the active one.

    During a roll-out without a version: end it. Returns what was and is active. Raises CommandError.
    """
    pointer = await read_pointer(connection)
    if version is not None:
        chosen = await find_version(connection, version)
    elif pointer is not None and pointer.candidate is not None:
        chosen = pointer.version
    else:
        chosen = await _previous(connection, pointer)
    ruleset = await read_ruleset(connection, chosen)
    add_pack(ruleset, pack, "The active version stays.")
    before = await activate(connection, chosen, ruleset.content, action=Action.ROLLBACK, author=author, message=message)
    return before, RulesetPointer(chosen)


async def _previous(connection: Connection, pointer: RulesetPointer | None) -> str:
    active = None if pointer is None else pointer.version
    found = [each for each in await find_activated(connection, "", 2) if each != active]
    if not found:
        raise CommandError("no earlier version to return to", "fraud-detector rules versions lists them.")
    return found[0]
