"""What counts as built: a date whose last build finished, tests included, and whose tables hold one content."""

from datetime import date
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.project import DbtFailed, Project
from tests_python.support.raw_data import DATES

FIRST, SECOND, *_ = DATES


def marked(project: Project) -> set[date]:
    """Dates whose last build finished."""
    return {row[0] for row in project.rows("silver.built_dates")}


def test_everything_else_is_built_and_tested_before_a_date_counts_as_built(built: Project) -> None:
    nodes = built.manifest()["nodes"]
    before: set[str] = set()
    unseen = [key for key in nodes if key.endswith(".built_dates")]
    while unseen:
        for key in nodes[unseen.pop()]["depends_on"].get("nodes", []):
            if key in nodes and key not in before:
                before.add(key)
                unseen.append(key)
    models = {key for key, node in nodes.items() if node["resource_type"] == "model" and ".built_" not in key}
    assert models
    # But for views of the dates that count.
    assert {key.split(".")[-1] for key in models - before} == {
        "mart_user_product_habits", "int_user_product_habits_by_date"
    }  # fmt: skip


def test_all_that_was_built_is_complete_and_has_the_rows_of_raw(built: Project) -> None:
    assert marked(built) == set(DATES)
    contents = {(row[0], row[1]): row for row in built.rows("silver.built_contents")}
    assert all(row[-1] for row in contents.values())
    with built.connect() as connection:
        for table, column, unit in (
            ("orders", "business_date", "day"), ("rule_hits", "business_date", "day"),
            ("labels", "business_date", "day"),
            ("users", "changed_date", "month"), ("products", "changed_date", "month"),
        ):  # fmt: skip
            # Bronze drops repeated rows, of which Postgres has none.
            raw = connection.execute(
                f"select date_trunc('{unit}', {column})::date, count(*) from (select distinct * from raw.{table}) "
                "group by 1"
            ).fetchall()
            assert {day for day, _ in raw} == {day for name, day in contents if name == table}
            assert all(contents[table, day][2] <= count for day, count in raw)


def test_a_hash_that_came_with_a_row_is_taken_and_any_other_is_computed(
    built: Project, parsed: Manifest, tmp_path: Path
) -> None:
    project = built.copy(tmp_path, parsed)

    def hashes() -> dict[str, int]:
        with project.connect() as connection:
            return dict(connection.execute("select order_id, row_hash from bronze.bronze_orders").fetchall())

    computed = hashes()
    assert len(set(computed.values())) == len(computed)
    first = min(computed)
    with project.connect() as connection:
        connection.execute("update raw.orders set row_hash = 7 where order_id = $1", [first])
    assert hashes() == {**computed, first: 7}


@pytest.mark.parametrize(
    "damage",
    [
        "delete from silver.agg_daily_user_orders where business_date = '{day}'",
        "delete from silver.agg_daily_product_payment_orders where business_date = '{day}' and total_orders = 1",
        "update silver.agg_daily_payment_hour_orders set total_amount = total_amount + 1 where business_date = '{day}'",
        "update silver.fct_orders set amount = amount + 1 where business_date = '{day}'",
        "delete from silver.built_dates where business_date = '{day}'",
    ],
)
def test_a_table_that_lost_what_was_built_is_found(
    built: Project, parsed: Manifest, tmp_path: Path, damage: str
) -> None:
    project = built.copy(tmp_path, parsed)
    with project.connect() as connection:
        connection.execute(damage.format(day=SECOND))
    incomplete = {row[1] for row in project.rows("silver.built_contents") if row[0] == "orders" and not row[-1]}
    assert incomplete == {SECOND}


def test_a_date_whose_test_fails_no_longer_counts_as_built(built: Project, parsed: Manifest, tmp_path: Path) -> None:
    project = built.copy(tmp_path, parsed)
    with project.connect() as connection:
        connection.execute("create table kept as select * from raw.orders")
        connection.execute(f"update raw.orders set outcome = 'perhaps' where business_date = '{FIRST}'")
    with pytest.raises(DbtFailed, match="outcome"):
        project.run("build", "--exclude", "resource_type:unit_test", dates=(FIRST, FIRST))
    assert marked(project) == set(DATES) - {FIRST}
    assert not project.rows("silver.built_months")
    with project.connect() as connection:
        connection.execute("create or replace table raw.orders as select * from kept")
    project.run("build", "--exclude", "resource_type:unit_test", dates=(FIRST, FIRST))
    assert marked(project) == set(DATES)
    assert sorted(project.rows("silver.built_months")) == sorted(built.rows("silver.built_months"))
