"""What dbt takes for granted about things that other projects own."""

import ast
import csv
from pathlib import Path

import pytest
from dbt.contracts.graph.manifest import Manifest

from tests_python.support.project import PROJECT, DbtFailed, Project
from tests_python.support.raw_tables import ROOT, TABLES


def test_sources_are_the_raw_tables(built: Project) -> None:
    sources = {source["name"]: source for source in built.manifest()["sources"].values()}
    assert sources.keys() == TABLES.keys()
    for name, table in TABLES.items():
        declared = [(c["name"], c["data_type"], c["description"]) for c in sources[name]["columns"].values()]
        duckdb_types = {"TIMESTAMP": "timestamptz"}
        assert declared == [
            (column.name, duckdb_types.get(column.kind, column.kind.lower()), column.description)
            for column in table.columns
        ]
        assert sources[name]["description"] == table.description


def test_raw_tables_that_stopped_being_loaded_are_found(built: Project, parsed: Manifest, tmp_path: Path) -> None:
    project = built.copy(tmp_path, parsed)
    moments = {"orders": "stored_at", "rule_hits": "business_date", "users": "valid_from", "products": "valid_from"}
    for age, is_fresh in ((0, True), (10, False)):
        with project.connect() as connection:
            for table, column in moments.items():
                connection.execute(f"update raw.{table} set {column} = now() - interval {age} day")
        if is_fresh:
            project.run("source", "freshness")
        else:
            with pytest.raises(DbtFailed) as stale:
                project.run("source", "freshness")
            assert all(f"in source {table}" in str(stale.value) for table in TABLES)


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


def test_each_mart_is_tested_against_the_facts_and_by_example(built: Project) -> None:
    manifest = built.manifest()
    marts = {
        key for key, node in manifest["nodes"].items() if "gold" in node["fqn"] and node["resource_type"] == "model"
    }
    assert len(marts) == 5
    by_example = {key for test in manifest["unit_tests"].values() for key in test["depends_on"]["nodes"]}
    sums = {
        test["attached_node"]
        for test in manifest["nodes"].values()
        if test["resource_type"] == "test" and test.get("test_metadata", {}).get("name") == "equal_totals"
    }
    exposed = {key for exposure in manifest["exposures"].values() for key in exposure["depends_on"]["nodes"]}
    assert marts <= by_example
    assert marts <= sums
    assert marts <= exposed
