"""Ids of the rules of all rulesets that ever decided an order: a filter by another rule can never match."""

import re
from collections.abc import Sequence
from typing import Final

from fastapi.exceptions import RequestValidationError

from order_api.orders.repository import read_rulesets
from order_contract.nearest import nearest_name
from order_platform.postgres.sql_builder import QueryExecutor

# Ids as rulesets write them, in block or flow style. Text that only looks like one makes no harm: a filter passes.
_RULE_ID: Final = re.compile(r"""(?<![\w-])["']?id["']?\s*:\s*["']?([a-z0-9]+(?:-[a-z0-9]+)*)""")
_MAX_NAMED: Final = 20


class KnownRules:
    """Ids of rules, read again when one is asked for that is not among them; stored rulesets never change."""

    def __init__(self) -> None:
        self._versions: set[str] = set()
        self._ids: set[str] = set()

    async def reject_unknown(self, database: QueryExecutor, rule: str | None) -> None:
        """Raises RequestValidationError, which names the nearest one. Before the first order any rule will do."""
        if rule is None or rule in self._ids:
            return
        for version, content in await read_rulesets(database, list(self._versions)):
            self._versions.add(version)
            self._ids.update(_RULE_ID.findall(content))
        if self._versions and rule not in self._ids:
            raise RequestValidationError(
                [
                    {
                        "type": "unknown-rule",
                        "loc": ("query", "rule"),
                        "input": rule,
                        "msg": _message(rule, sorted(self._ids)),
                    }
                ]
            )


def _message(rule: str, known: Sequence[str]) -> str:
    nearest = nearest_name(rule.lower(), {name: name for name in known})
    if nearest is not None:
        return f"is not a rule of any ruleset that decided orders; write {nearest}"
    names = ", ".join(known[:_MAX_NAMED]) + (", ..." if len(known) > _MAX_NAMED else "")
    return f"is not a rule of any ruleset that decided orders; there are {names}"
