"""Registration with Airflow: the entry point `airflow.plugins` of this project names this class."""

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from airflow_plugin.business_dates import BusinessDateTimetable
from airflow_plugin.pages import FASTAPI_APPS, REACT_APPS
from airflow_plugin.priorities import BackfillsLast


class OrderwatchPlugin(AirflowPlugin):
    """What the DAGs and their readers need that Airflow does not have."""

    name = "orderwatch"
    timetables: list[Any] = [BusinessDateTimetable]  # noqa: RUF012  (as in the base class)
    fastapi_apps = FASTAPI_APPS
    react_apps = REACT_APPS
    priority_weight_strategies: list[Any] = [BackfillsLast]  # noqa: RUF012
