"""How much of a busy machine the process of a backtest gets."""

import contextlib
import os
import sys
from enum import StrEnum
from typing import Final


class Priority(StrEnum):
    """Whatever decides orders or responds to people goes first."""

    IDLE = "idle"
    """Only what no other process wants: Linux's SCHED_IDLE, elsewhere nice 19."""
    LOW = "low"
    """Nice 15: a little on a machine that is always busy, too."""
    PREVIEW = "preview"
    """Nice 5, as a person waits for it."""


_NICENESS: Final = {Priority.IDLE: 19, Priority.LOW: 15, Priority.PREVIEW: 5}


def set_priority(process_id: int, priority: Priority) -> None:
    """Let a process that was started by this one go behind others, never ahead of this one; it may have ended."""
    with contextlib.suppress(ProcessLookupError):
        if priority is Priority.IDLE and sys.platform == "linux":
            # Beside nice 15 alone an order takes twice as long at p99, since a process that wakes up waits for the
            # turn of the backtest to end; one of this class has to leave at once.
            os.sched_setscheduler(process_id, os.SCHED_IDLE, os.sched_param(0))
            return
        own = os.getpriority(os.PRIO_PROCESS, 0)
        os.setpriority(os.PRIO_PROCESS, process_id, max(own, _NICENESS[priority]))
