"""Table of a consumer group's lag."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.table import Table

from order_platform.command_line.terminal_text import printable
from order_platform.kafka.lag import ConsumerGroup, PartitionLag


def lag_object(lag: PartitionLag) -> dict[str, int | None]:
    """For JSON."""
    return {**asdict(lag), "lag": lag.lag}


def lag_table(lags: Sequence[PartitionLag], group: ConsumerGroup | None = None) -> Table:
    """One line per partition; with the member that reads it where the group is given."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("partition", "oldest", "committed", "end", "lag"):
        table.add_column(title, justify="right")
    readers = _readers(group) if group is not None else {}
    if group is not None:
        table.add_column("read by")
    for lag in lags:
        committed = "none" if lag.committed is None else f"{lag.committed:,}"
        values = [str(lag.partition), f"{lag.beginning:,}", committed, f"{lag.end:,}", f"{lag.lag:,}"]
        if group is not None:
            values.append(readers.get(lag.partition, "none"))
        table.add_row(*values, style="yellow" if lag.lag else None)
    return table


def _readers(group: ConsumerGroup) -> Mapping[int, str]:
    return {
        partition: printable(f"detector {number} at {member.host.lstrip('/')}")
        for number, member in enumerate(group.members, 1)
        for partition in member.partitions
    }
