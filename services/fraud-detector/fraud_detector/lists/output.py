"""Tables and sentences of `fraud-detector lists`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.table import Table

from order_contract.business_time import business_text
from order_lists.model import ChangeResult, ListEntry, ListError, ListSpec, OrderListSummary, UnknownListError
from order_platform.command_line.errors import CommandError, UsageError
from order_platform.command_line.terminal_text import printable


@contextmanager
def list_errors() -> Iterator[None]:
    """Turn errors about lists into those of commands."""
    try:
        yield
    except UnknownListError as error:
        raise CommandError(str(error), "fraud-detector lists show prints all lists.") from None
    except ListError as error:
        raise UsageError(str(error), "Nothing was changed.") from None


def lists_table(lists: Sequence[OrderListSummary]) -> Table:
    """One line per list."""
    table = _table("list", "kind", "field", "last changed")
    table.add_column("entries", justify="right")
    for each in lists:
        changed = "never" if each.changed_at is None else business_text(each.changed_at)
        table.add_row(each.name, each.kind, each.field, changed, f"{each.entries:,}")
    return table


def entries_table(spec: ListSpec, entries: Sequence[ListEntry]) -> Table:
    """One line per entry."""
    table = _table(spec.field, "added", "expires", "by", "reason", "from")
    for each in entries:
        expires = "never" if each.expires_at is None else business_text(each.expires_at)
        values = (each.value, business_text(each.added_at), expires, each.author, each.reason, each.provenance)
        table.add_row(*(printable(value) for value in values))
    return table


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title)
    return table


def describe_change(name: str, result: ChangeResult) -> str:
    """What a change did."""
    if result.number is None:
        return f"{name}: nothing to change"
    parts = ((result.added, "added"), (result.removed, "removed"), (result.unchanged, "unchanged"))
    return f"{name}: {', '.join(f'{count:,} {what}' for count, what in parts if count)} (change {result.number:,})"
