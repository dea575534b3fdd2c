"""Order in which waiting tasks of the one-slot pool run."""

from typing import Final

from airflow.models.taskinstance import TaskInstance
from airflow.task.priority_strategy import PriorityWeightStrategy
from airflow.utils.types import DagRunType

_ABOVE_BACKFILLS: Final = 100


class BackfillsLast(PriorityWeightStrategy):
    """A task's own weight, and more outside backfills: one of two years must not delay yesterday's marts."""

    def get_weight(self, ti: TaskInstance) -> int:
        """The weight of a task instance when its run is created."""
        assert ti.task is not None
        is_backfill = DagRunType.from_run_id(ti.run_id) is DagRunType.BACKFILL_JOB
        return ti.task.priority_weight + (0 if is_backfill else _ABOVE_BACKFILLS)
