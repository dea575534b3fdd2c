"""SQL statements made of just the conditions that are asked for."""

from collections.abc import Mapping


class Arguments:
    """A statement's arguments, as asyncpg numbers them."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def add(self, value: object) -> str:
        """Take a value; returns the placeholder that stands for it."""
        self.values.append(value)
        return f"${len(self.values)}"

    def conditions(self, criteria: object, templates: Mapping[str, str]) -> list[str]:
        """The conditions on the attributes of `criteria` that are not None; `{}` in a template is the value."""
        return [
            template.format(self.add(value))
            for name, template in templates.items()
            if (value := getattr(criteria, name)) is not None
        ]
