"""What dbt takes for granted about things that other projects own."""

import ast
import csv
from pathlib import Path
from typing import Any

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.kept_parse import PROJECT
from tests_python.support.project import DbtFailed, Project
from tests_python.support.raw_tables import ROOT, TABLES


def test_sources_are_the_raw_tables(built: Project) -> None:
    sources = {source["name"]: source for source in built.manifest()["sources"].values()}
    assert sources.keys() == TABLES.keys()
    for name, table in TABLES.items():
        declared = [(c["name"], c["data_type"], c["description"]) for c in sources[name]["columns"].values()]
        duckdb_types = {"TIMESTAMP": "timestamptz"}
        assert declared == [
            (column.name, duckdb_types.get(column.kind, column.kind.lower()), column.description)
            for column in table.stored_columns
        ]
        assert sources[name]["description"] == table.description


def test_raw_tables_that_stopped_being_loaded_are_found(built: Project, parsed: Manifest, tmp_path: Path) -> None:
    project = built.copy(tmp_path, parsed)
    moments = {"orders": "stored_at", "rule_hits": "business_date", "users": "valid_from", "products": "valid_from"}
    for age, is_fresh in ((0, True), (10, False)):
        with project.connect() as connection:
            for table, column in moments.items():
                connection.execute(f"update raw.{table} set {column} = now() - interval {age} day")
            connection.execute(f"update raw.orders set business_date = now() - interval {age} day")
        if is_fresh:
            project.run("source", "freshness")
        else:
            with pytest.raises(DbtFailed) as stale:
                project.run("source", "freshness")
            assert all(f"in source {table}" in str(stale.value) for table in moments)


def test_the_known_payment_methods_are_those_of_order_events() -> None:
    source = (ROOT / "packages" / "order-contract" / "order_contract" / "reference_data.py").read_text()
    (known,) = (
        ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAYMENT_METHODS"
    )
    with (PROJECT / "seeds" / "payment_methods.csv").open() as file:
        assert {row["payment_method"] for row in csv.DictReader(file)} == set(known)


def test_everything_is_described_and_typed(built: Project) -> None:
    manifest = built.manifest()
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in {"model", "seed"}]
    assert nodes
    for node in nodes:
        assert "Grain: " in node["description"], node["name"]
        assert all(column["description"] for column in node["columns"].values()), node["name"]
        if {"silver", "gold"} & set(node["fqn"]) and node["resource_type"] == "model":
            assert node["contract"]["enforced"], node["name"]
    columns = {node["name"]: set(node["columns"]) for node in nodes}
    with built.connect() as connection:
        for node in nodes:
            relation = connection.execute(f"describe {node['schema']}.{node['name']}").fetchall()
            assert {name for name, *_ in relation} == columns[node["name"]]


def test_names_say_what_a_model_is(built: Project) -> None:
    prefixes = {"bronze": ("bronze_",), "silver": ("fct_", "dim_", "agg_", "int_", "built_"), "gold": ("mart_",)}
    for model in models(built).values():
        assert model["name"].startswith(prefixes[model["fqn"][1]]), model["name"]


def test_marts_are_public_and_every_model_has_an_owner(built: Project) -> None:
    groups = {group["name"]: group["owner"] for group in built.manifest()["groups"].values()}
    for model in models(built).values():
        assert groups[model["config"]["group"]]["name"]
        assert model["access"] == ("public" if "gold" in model["fqn"] else "protected"), model["name"]


def test_no_table_has_a_row_of_its_grain_twice(built: Project) -> None:
    uniqueness = {
        test["attached_node"] for test in data_tests(built) if test["test_metadata"]["name"].startswith("unique")
    }
    tables = {key for key, model in models(built).items() if model["config"]["materialized"] != "view"}
    assert tables
    assert tables <= uniqueness


def test_each_mart_is_tested_against_the_facts_and_by_example(built: Project) -> None:
    manifest = built.manifest()
    marts = {key: mart for key, mart in models(built).items() if "gold" in mart["fqn"]}
    assert len(marts) == 6
    by_example = {key for test in manifest["unit_tests"].values() for key in test["depends_on"]["nodes"]}
    sums = {test["attached_node"] for test in data_tests(built) if test["test_metadata"]["name"] == "equal_totals"}
    exposed = {key for exposure in manifest["exposures"].values() for key in exposure["depends_on"]["nodes"]}
    assert marts.keys() <= by_example
    assert {key for key, mart in marts.items() if mart["config"]["materialized"] == "table"} <= sums
    assert marts.keys() <= exposed


def models(project: Project) -> dict[str, dict[str, Any]]:
    """The models by their id."""
    return {key: node for key, node in project.manifest()["nodes"].items() if node["resource_type"] == "model"}


def data_tests(project: Project) -> list[dict[str, Any]]:
    """The data tests that properties files name."""
    nodes = project.manifest()["nodes"].values()
    return [node for node in nodes if node["resource_type"] == "test" and node.get("test_metadata")]
