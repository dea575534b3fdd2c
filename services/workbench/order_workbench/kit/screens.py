"""The screens in the order of the menu."""

from typing import Final, NamedTuple

from order_api.auth.keys import Role


class Screen(NamedTuple):
    """An entry of the menu, which its keys open; people of a smaller role do not see it."""

    path: str
    title: str
    keys: str
    role: Role = Role.READ


SCREENS: Final = (
    Screen("/workbench/now", "Now", "gn"),
    Screen("/workbench/queue", "Review queue", "gq", Role.REVIEW),
    Screen("/workbench/orders", "Search", "gs"),
    Screen("/workbench/rules", "Rules", "gr"),
    Screen("/workbench/lists", "Lists", "gl"),
    Screen("/workbench/marts", "Marts", "gm"),
    Screen("/workbench/dead-letters", "Dead letters", "gd", Role.ADMIN),
    Screen("/workbench/system", "System", "gy"),
    Screen("/workbench/people", "People", "gp", Role.ADMIN),
)
