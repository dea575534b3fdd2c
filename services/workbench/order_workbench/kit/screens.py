"""The screens in the order of the menu."""

from typing import Final, NamedTuple

from order_api.auth.keys import Role


class Screen(NamedTuple):
    """An entry of the menu; `key` is pressed after nothing else, and `role` may see it."""

    path: str
    title: str
    role: Role = Role.READ


SCREENS: Final = (
    Screen("/workbench/now", "Now"),
    Screen("/workbench/queue", "Review queue", Role.REVIEW),
    Screen("/workbench/orders", "Search"),
    Screen("/workbench/rules", "Rules"),
)
