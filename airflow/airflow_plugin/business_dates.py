"""Timetable of business dates: a run per date, started when the date is over."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.trigger import CronPartitionTimetable
from airflow.utils.types import DagRunType

from order_contract.business_time import BUSINESS_ZONE, business_date

_DAY = timedelta(days=1)
KEY_FORMAT = "%Y-%m-%d"


class BusinessDateTimetable(CronPartitionTimetable):
    """Runs daily at a time of day in Asia/Jakarta, for the business date before; its partition key is that date.

    A partition's moment is its date's midnight, whatever the time of day of the runs. So a range of a backfill or of a
    filter, which Airflow gives as two moments, means the business dates that hold them, the last one included.
    """

    def __init__(self, cron: str) -> None:
        """`cron` is in business time; it must run once a day."""
        super().__init__(cron, timezone="Asia/Jakarta", key_format=KEY_FORMAT)

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """From the value of `serialize`."""
        return cls(data["expression"])

    def localize_partition_datetime(self, dt: datetime) -> pendulum.DateTime:
        """The midnight of the business date that holds a moment."""
        return _midnight(business_date(dt if dt.tzinfo else dt.replace(tzinfo=UTC)))

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterable[DagRunInfo]:
        """The dates of a backfill, without those that are not over yet."""
        start, last = self.localize_partition_datetime(earliest), self.localize_partition_datetime(latest)
        today = business_date(datetime.now(UTC))
        while start <= last and business_date(start) < today:
            yield DagRunInfo(
                run_after=start + _DAY, data_interval=None, partition_date=start, partition_key=self._format_key(start)
            )
            start += _DAY

    def generate_run_id(
        self, *, run_type: DagRunType, run_after: pendulum.DateTime, data_interval: DataInterval | None, **extra: Any
    ) -> str:
        """Named by date, so that a list of runs reads as one of dates; what follows tells runs of a date apart."""
        key = extra.get("partition_key")
        if key is None:
            return super().generate_run_id(run_type=run_type, run_after=run_after, data_interval=data_interval, **extra)
        return run_type.generate_run_id(suffix=f"{key}__at_{datetime.now(UTC):%Y%m%dT%H%M%S%f}")

    def _get_partition_date(self, *, run_date: pendulum.DateTime) -> pendulum.DateTime:
        return _midnight(business_date(run_date) - _DAY)


def _midnight(day: date) -> pendulum.DateTime:
    return pendulum.instance(datetime.combine(day, time.min, BUSINESS_ZONE)).in_timezone("UTC")
