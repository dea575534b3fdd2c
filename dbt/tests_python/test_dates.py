"""Dates built again, in any order and with late orders in between, against everything built at once."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.project import DbtFailed, Project
from tests_python.support.raw_data import DATES, RawData

FIRST, SECOND, THIRD, FOURTH, *_, LAST = DATES
# Views are half of the models, and stay as they are from run to run.
WITHOUT_VIEWS = ("--exclude", "config.materialized:view")


@pytest.fixture
def project(tmp_path: Path, parsed: Manifest) -> Project:
    """A project with a warehouse of its own."""
    return Project(tmp_path, parsed)


def run(project: Project, *dates: date) -> None:
    """Build the tables, from the first to the last of these dates; tests are run elsewhere."""
    project.run("run", *WITHOUT_VIEWS, dates=(dates[0], dates[-1]) if dates else None)


def late(data: RawData) -> RawData:
    """Only some of the orders of each date had come by then; the hits of the others are missing, too."""
    missing = {row["order_id"] for row in data.orders if str(row["order_id"]).endswith("7")}
    orders = [row for row in data.orders if row["order_id"] not in missing]
    hits = [row for row in data.rule_hits if row["order_id"] not in missing]
    known_later = {f"U{number:06d}" for number in range(30, 40)}
    users = [row for row in data.users if row["user_id"] not in known_later]
    return RawData(orders, hits, users, data.products[: len(data.products) // 2])


def test_dates_in_any_order_with_late_orders_come_to_the_same(
    project: Project, built: Project, raw_data: RawData
) -> None:
    early = late(raw_data)
    project.load(early.of_dates(THIRD, FOURTH))
    project.run("seed")
    project.run("run", dates=(THIRD, FOURTH))
    project.load(early.of_dates(FIRST, THIRD, FOURTH))  # backwards
    run(project, FIRST)
    project.load(early)
    run(project)  # those that are missing: the second, and all after the fourth
    assert {row[0] for row in project.rows("silver.fct_orders")} == set(DATES)
    assert project.tables() != built.tables()
    project.load(raw_data)  # what came late; each date is dirty
    run(project, LAST, LAST)
    run(project, FIRST, THIRD)
    run(project, FOURTH, LAST - timedelta(days=1))

    tables, expected = project.tables(), built.tables()
    assert tables.keys() == expected.keys()
    for name, rows in expected.items():
        assert tables[name] == rows, name

    project.run("run", "--full-refresh")
    assert project.tables() == expected


def test_orders_that_are_gone_leave_nothing_behind(project: Project, raw_data: RawData) -> None:
    """A date without orders, and one without those of some users, as when they were deleted from Postgres."""
    project.load(raw_data)
    project.run("seed")
    project.run("run")
    month = [day for day in DATES if day.month == FIRST.month]
    users = {str(row["user_id"]) for row in raw_data.orders[::3]}
    left = RawData([], [], raw_data.users, raw_data.products, raw_data.labels)
    left.orders = [
        row for row in raw_data.orders if row["business_date"] not in month
        and (row["business_date"] != LAST or row["user_id"] in users)
    ]  # fmt: skip
    kept = {row["order_id"] for row in left.orders}
    left.rule_hits = [row for row in raw_data.rule_hits if row["order_id"] in kept]
    project.load(left)
    run(project, *month)
    run(project, LAST)
    project.run("test", "--exclude", "test_type:unit", dates=(LAST, LAST))

    found = project.tables()
    assert not [row for row in found["silver.agg_monthly_user_orders"] if row[0].month == FIRST.month]
    project.run("run", "--full-refresh", *WITHOUT_VIEWS)
    assert found == project.tables()


def test_only_what_a_month_gains_is_added_to_it(project: Project, built: Project, raw_data: RawData) -> None:
    """Rows of its other users stay as they are; but once it lacks anything else, all of it is added up again."""

    def amounts() -> dict[tuple[str, str], int]:
        with project.connect() as connection:
            found = connection.execute(
                "select user_id, currency, total_amount from silver.agg_monthly_user_orders"
                f" where month_start = date_trunc('month', date '{FIRST}')"
            )
            return {(user, currency): amount for user, currency, amount in found.fetchall()}

    project.load(raw_data.of_dates(FIRST, SECOND))
    project.run("seed")
    project.run("run")
    with project.connect() as connection:
        connection.execute("update silver.agg_monthly_user_orders set total_amount = 7")
    before = amounts()
    project.load(raw_data.of_dates(FIRST, SECOND, THIRD))
    run(project, THIRD)
    with project.connect() as connection:
        gained = connection.execute(
            f"select user_id, currency, total_amount from silver.agg_daily_user_orders where business_date = '{THIRD}'"
        ).fetchall()
    added = {(user, currency): before.get((user, currency), 0) + amount for user, currency, amount in gained}
    assert before.keys() - added.keys()
    assert added.keys() - before.keys()
    assert amounts() == before | added

    with project.connect() as connection:
        connection.execute("delete from silver.agg_monthly_user_orders where user_id = $1", [gained[0][0]])
    project.load(raw_data)
    run(project, FOURTH, LAST)
    assert project.tables() == built.tables()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"start_date": "2026-11-01"}, "var end_date is None: write both start_date and end_date"),
        ({"start_date": "20261101", "end_date": "2026-11-01"}, "var start_date is 20261101: write both"),
        ({"start_date": "2026-11-31", "end_date": "2026-12-01"}, "day is out of range for month"),
        (
            {"start_date": "2026-11-02", "end_date": "2026-11-01"},
            "end_date 2026-11-01 lies before start_date 2026-11-02",
        ),
    ],
)
def test_dates_that_make_no_sense_are_refused(project: Project, variables: dict[str, Any], message: str) -> None:
    with pytest.raises(DbtFailed, match=message):
        project.run("run-operation", "requested_dates", **variables)


def test_other_dates_in_the_environment_do_not_have_the_project_parsed_again(commented: Manifest) -> None:
    """dbt parses again what reads a variable of the environment while it is parsed, once that has another value."""
    assert not {"ORDERWATCH_START_DATE", "ORDERWATCH_END_DATE"} & commented.env_vars.keys()
