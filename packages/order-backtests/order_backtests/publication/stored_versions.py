"""Finding stored ruleset versions by what people write: a version, or its first characters."""

import asyncio

from decision_engine.ruleset import Ruleset, RulesetError, parse_ruleset
from order_platform.command_line.errors import CommandError
from order_platform.postgres.ruleset_versions import Connection, find_versions, read_content

_MOST_SHOWN = 64


async def find_version(connection: Connection, prefix: str) -> str:
    """The version that begins so, of those that were active or rolled out. Raises CommandError."""
    found = await find_versions(connection, prefix)
    if len(found) == 1:
        return found[0]
    shown = prefix[:_MOST_SHOWN]
    if found:
        raise CommandError(f"{len(found)} versions begin with '{shown}': {', '.join(found)}", "Give more characters.")
    raise CommandError(f"no version '{shown}' was ever active", "fraud-detector rules versions lists them.")


async def read_ruleset(connection: Connection, version: str) -> Ruleset:
    """The ruleset of a stored version. Raises CommandError when this release does not accept it."""
    content = await read_content(connection, version)
    if content is None:
        raise CommandError(
            f"no version '{version[:_MOST_SHOWN]}' is stored", "fraud-detector rules versions lists them."
        )
    try:
        return await asyncio.to_thread(parse_ruleset, content, version)
    except RulesetError as error:
        raise CommandError(f"version {version} is not accepted by this release: {error}", "Name another one.") from None
