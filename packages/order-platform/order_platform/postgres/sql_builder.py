"""Building and executing SQL: numbered query arguments, optional conditions, and the protocol of a connection."""

from collections.abc import Mapping
from typing import Any, Protocol

import asyncpg


class QueryExecutor(Protocol):
    """The methods of a connection or a pool that execute queries."""

    async def fetch(self, query: str, /, *args: Any) -> list[asyncpg.Record]: ...
    async def fetchrow(self, query: str, /, *args: Any) -> asyncpg.Record | None: ...


class QueryArguments:
    """The arguments of a statement, numbered as asyncpg expects."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def add(self, value: object) -> str:
        """Add a value; returns its placeholder."""
        self.values.append(value)
        return f"${len(self.values)}"

    def conditions(self, criteria: object, templates: Mapping[str, str]) -> list[str]:
        """The conditions on the attributes of `criteria` that are not None; `{}` in a template is the placeholder."""
        return [
            template.format(self.add(value))
            for name, template in templates.items()
            if (value := getattr(criteria, name)) is not None
        ]
