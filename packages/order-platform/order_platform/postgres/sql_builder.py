"""Building SQL: numbered query arguments and optional conditions."""

from collections.abc import Mapping


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
