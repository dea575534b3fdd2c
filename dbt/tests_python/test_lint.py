"""The linter of SQL finds what is planted in a model, in a data test and in a macro."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import lint_sql

PLANTED = {
    "models/silver/dim_payment_methods.sql": ("select", "SELECT"),
    "tests/generic/in_one_date_only.sql": ("select", "Select"),
    "macros/safe_divide.sql": ("nullif(", "NullIf("),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of a copy of the project with breaches."""
    folder = tmp_path_factory.mktemp("linted")
    left_out = shutil.ignore_patterns(".venv", "target", "logs", "tests_python")
    project = shutil.copytree(lint_sql.PROJECT, folder / "dbt", ignore=left_out)
    for name, (right, wrong) in PLANTED.items():
        source = Path(project / name)
        assert right in source.read_text(), name
        source.write_text(source.read_text().replace(right, wrong))
    assert lint_sql.compile_project(project, folder / "target")
    manifest: dict[str, Any] = json.loads((folder / "target" / "manifest.json").read_text())
    return manifest


@pytest.mark.parametrize(
    ("node", "breach"),
    [
        ("dim_payment_methods", "SELECT"),
        ("in_one_date_only_fct_orders_order_id", "Select"),
        ("mart_critical_hour_payments", "NullIf("),
    ],
)
def test_a_breach_is_found_and_named(planted: dict[str, Any], node: str, breach: str) -> None:
    (found,) = (each for each in planted["nodes"].values() if each["name"] == node)
    breaches = [*lint_sql.lint({"nodes": {node: found}})]
    assert any(breach in each.line and "capitalisation" in each.rule for each in breaches), breaches
    assert all(each.file == found["original_file_path"] for each in breaches)


def test_what_is_dbts_own_is_left_out(planted: dict[str, Any]) -> None:
    named = {node["name"] for node in lint_sql.own_nodes(planted)}
    assert "fct_orders" in named
    assert "fct_rule_hits_belong_to_fct_orders" in named
    assert not any(name.startswith(("unique_fct", "accepted_values_")) for name in named)
