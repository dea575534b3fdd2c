"""Freshness of the raw tables, as dbt finds it."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from order_batch.quality.checks import Finding


def check_freshness(day: date, sources: Mapping[str, Any]) -> Iterator[Finding]:
    """Tables that got no rows for too long, from dbt's sources.json."""
    for result in sources["results"]:
        table = ".".join(str(result["unique_id"]).split(".")[-2:])
        if result["status"] == "pass":
            continue
        if result["status"] == "runtime error":
            told = f"the age of {table} is unknown: {result.get('error') or 'it has no rows'}"
        else:
            age = timedelta(seconds=round(float(result["max_loaded_at_time_ago_in_s"])))
            told = f"{table} got its newest row {age} ago; at most {_limit(result['criteria'])} are expected"
        yield Finding(
            f"freshness-{table}", day, told,
            "`make reconcile` says whether Postgres has newer rows. If it has, look at the last run of "
            "`warehouse_load`; if not, at what fills Postgres: the detectors (`make lag`), or the DAG `catalog`.",
        )  # fmt: skip


def _limit(criteria: Mapping[str, Any]) -> str:
    limit = criteria.get("warn_after") or criteria["error_after"]
    return f"{limit['count']} {limit['period']}s"
