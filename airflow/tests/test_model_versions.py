"""A model's version changes with what its rows are computed from, and with nothing else."""

import copy
from typing import Any

from order_batch.transform.model_versions import ProjectModels, model_versions, project_models
from order_batch.transform.upgrade import plan_upgrade
from order_batch.warehouse.models import BuiltModel


def node(name: str, sql: str, *, after: str = "", macros: tuple[str, ...] = (), **config: Any) -> dict[str, Any]:
    return {
        "resource_type": "model", "name": name, "package_name": "orderwatch", "raw_code": sql,
        "columns": {"business_date": {"name": "business_date", "data_type": "date", "description": "The date."}},
        "config": {"materialized": "view", **config},
        "depends_on": {"nodes": [f"model.orderwatch.{after}"] if after else [], "macros": list(macros)},
    }  # fmt: skip


def macro(sql: str, *uses: str, package: str = "orderwatch") -> dict[str, Any]:
    return {"package_name": package, "macro_sql": sql, "depends_on": {"macros": list(uses)}}


MANIFEST: dict[str, Any] = {
    "nodes": {
        "model.orderwatch.bronze": node("bronze", "select * from raw"),
        "model.orderwatch.facts": node(
            "facts", "select {{ total('amount') }} from {{ ref('bronze') }}", after="bronze",
            macros=("macro.orderwatch.total", "macro.dbt.ref"), materialized="incremental",
        ),
        "model.orderwatch.other": node("other", "select '{{ var(\"zone\") }}' as zone"),
        "test.orderwatch.unique": {"resource_type": "test", "name": "unique", "config": {"materialized": "test"}},
    },
    "macros": {
        "macro.orderwatch.total": macro("sum({{ wide(x) }})", "macro.orderwatch.wide"),
        "macro.orderwatch.wide": macro("cast({{ x }} as numeric)"),
        "macro.dbt.ref": macro("ref", package="dbt"),
    },
}  # fmt: skip
VARIABLES = {"zone": "Asia/Jakarta"}


def changed(change: Any) -> set[str]:
    """Models whose versions a change of the project changes."""
    manifest, variables = copy.deepcopy(MANIFEST), dict(VARIABLES)
    change(manifest["nodes"], manifest["macros"], variables)
    before, after = model_versions(MANIFEST, VARIABLES), model_versions(manifest, variables)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_sql_columns_and_layout_change_a_model_and_what_comes_after_it() -> None:
    assert changed(lambda nodes, *_: nodes["model.orderwatch.bronze"].update(raw_code="select 1")) == {
        "bronze", "facts"
    }  # fmt: skip
    assert changed(lambda nodes, *_: nodes["model.orderwatch.facts"]["columns"].update(new={"data_type": "date"})) == {
        "facts"
    }
    assert changed(lambda nodes, *_: nodes["model.orderwatch.facts"]["config"].update(cluster_by=["user_id"])) == {
        "facts"
    }


def test_macros_of_the_project_count_also_through_each_other_and_those_of_dbt_do_not() -> None:
    assert changed(lambda _, macros, __: macros["macro.orderwatch.wide"].update(macro_sql="{{ x }}")) == {"facts"}
    assert changed(lambda _, macros, __: macros["macro.dbt.ref"].update(macro_sql="another release")) == set()


def test_a_variable_counts_where_it_is_named() -> None:
    assert changed(lambda *given: given[2].update(zone="UTC")) == {"other"}


def test_comments_spaces_and_descriptions_change_nothing() -> None:
    def comment(nodes: Any, *_: Any) -> None:
        nodes["model.orderwatch.bronze"]["raw_code"] = "{# why\n #}\n-- what\nselect *\n  from raw\n"
        nodes["model.orderwatch.facts"]["columns"]["business_date"]["description"] = "Another."

    assert changed(comment) == set()


def test_outdated_models_are_the_incremental_ones_of_another_version_or_of_none() -> None:
    assert project_models(MANIFEST, VARIABLES).incremental == {"facts"}
    project = ProjectModels({"facts": "2", "daily": "1", "new": "1", "view": "2"}, frozenset({"facts", "daily", "new"}))
    built = [
        BuiltModel("silver", "facts", False, "1"),
        BuiltModel("silver", "daily", False, "1"),
        BuiltModel("bronze", "view", True, "1"),
        BuiltModel("gold", "gone", True, None),
    ]
    upgrade = plan_upgrade(project, built)
    assert upgrade.outdated == {"facts": "its definition has changed"}
    assert [model.name for model in upgrade.dropped] == ["gone"]
