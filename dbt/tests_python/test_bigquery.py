"""BigQuery's side without BigQuery: all SQL compiled for it goes through Google's analyzer and reference engine.

From the same raw rows the reference engine must come to what DuckDB built, in both branches of incremental models.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from dbt.contracts.graph.manifest import Manifest
from zetasql.core.exceptions import ServerError

from tests_python.support.googlesql import GoogleSql, Relation
from tests_python.support.kept_parse import PROJECT
from tests_python.support.project import Project
from tests_python.support.raw_data import DATES, RawData
from tests_python.support.raw_tables import TABLES

FOR_BIGQUERY = ("--target", "bigquery", "--no-introspect", "--no-populate-cache")
REBUILT = (DATES[1], DATES[3])
ALREADY_THERE = DATES[:4]

Node = Mapping[str, Any]

REFERENCE = re.compile(r"`[\w-]+`\.`\w+`\.`\w+`")
FILTER = re.compile(r"\bwhere\b.*\bbusiness_date (?:>=|between) date '", re.DOTALL)
"""A condition on the partitions that BigQuery can resolve before it reads any."""
RANGE = re.compile(r"\bwhere\b.*\b(?:business_date|month_start) (?:>=|between) date '(?!0001)", re.DOTALL)
"""One that leaves some partitions only."""
BOUNDS = re.compile(
    r"\b(?:business_date|month_start) "
    r"(?:between date '(?!0001)(\S+)' and|>= date '(?!0001)(\S+)' and \S+ <) date '(\S+)'"
)
"""The first and the last date of such a range; the date after it where a month ends."""


class Compiled:
    """The project compiled for BigQuery."""

    def __init__(self, project: Project) -> None:
        manifest = project.manifest()
        self.nodes: dict[str, Node] = {**manifest["nodes"], **manifest["sources"]}

    def models(self) -> list[Node]:
        """Models, each behind those that it reads."""
        done: dict[str, Node] = {}

        def add(key: str) -> None:
            node = self.nodes[key]
            if key not in done and node["resource_type"] == "model":
                for before in node["depends_on"]["nodes"]:
                    add(before)
                done[key] = node

        for key in self.nodes:
            add(key)
        return list(done.values())

    def tests(self) -> list[Node]:
        """All data tests."""
        return [node for node in self.nodes.values() if node["resource_type"] == "test"]

    def requiring_a_filter(self) -> set[str]:
        """Tables that refuse queries that do not say which dates they read."""
        raw = {f"`parity`.`orderwatch_raw`.`{name}`" for name, table in TABLES.items() if table.requires_filter}
        return raw | {node["relation_name"] for node in self.models() if node["config"].get("require_partition_filter")}

    def partitioned(self) -> set[str]:
        """Tables by date or month that hold orders, and views of them; built_dates has one row per date."""
        found = {f"`parity`.`orderwatch_raw`.`{name}`" for name, table in TABLES.items() if table.requires_filter}
        found |= {node["relation_name"] for node in self.models() if node["config"].get("partition_by")}
        found.remove("`parity`.`orderwatch_silver`.`built_dates`")
        for node in self.models():
            if node["config"]["materialized"] == "view" and any(
                table in found for table, _ in references(node["compiled_code"])
            ):
                found.add(node["relation_name"])
        return found

    def read_by(self, node: Node) -> list[str]:
        """Tables that a node may read, itself as it was before included."""
        names = [table_name(self.nodes[key]) for key in node["depends_on"]["nodes"] if key in self.nodes]
        return [*names, table_name(node)] if node["resource_type"] == "model" else names


def table_name(node: Node) -> str:
    """A relation by one name, as the engine's flat catalog has it."""
    return f"{node['schema']}__{node['name']}"


def sql(node: Node) -> str:
    """The compiled code with flat table names."""
    return re.sub(r"`parity`\.`(\w+)`\.`(\w+)`", r"`\1__\2`", node["compiled_code"])


def compile_for_bigquery(
    folder: Path, parsed: Manifest | None = None, *, incremental: bool, dates: tuple[date, date] | None = None
) -> Compiled:
    """Compile without a connection, as if each incremental model were there already or not.

    `parsed` may be for other dates where the configuration of models, which names partitions, does not matter.
    """
    project = Project(folder, parsed)
    with bigquery_environment():
        project.run(
            "compile", *FOR_BIGQUERY, "--exclude", "resource_type:unit_test",
            dates=dates, compile_as_incremental=incremental,
        )  # fmt: skip
    return Compiled(project)


@contextmanager
def bigquery_environment() -> Iterator[None]:
    """What dbt's profile for BigQuery needs."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ORDERWATCH_BIGQUERY_PROJECT", "parity")
        environment.setenv("ORDERWATCH_BIGQUERY_METHOD", "oauth-secrets")  # makes a client without asking anybody
        environment.setenv("ORDERWATCH_BIGQUERY_TOKEN", "none")
        yield


@pytest.fixture(scope="module")
def parsed_for_bigquery(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """The project as dbt reads it, without requested dates."""
    with bigquery_environment():
        return Project(tmp_path_factory.mktemp("parsed")).parse("bigquery")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory, parsed_for_bigquery: Manifest) -> Compiled:
    return compile_for_bigquery(tmp_path_factory.mktemp("full"), parsed_for_bigquery, incremental=False)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compile_for_bigquery(tmp_path_factory.mktemp("dated"), incremental=True, dates=REBUILT)


@pytest.fixture(scope="module")
def missing(tmp_path_factory: pytest.TempPathFactory, parsed_for_bigquery: Manifest) -> Compiled:
    return compile_for_bigquery(tmp_path_factory.mktemp("missing"), parsed_for_bigquery, incremental=True)


@pytest.fixture(scope="module")
def raw_relations(raw_data: RawData) -> dict[str, Relation]:
    """The raw tables and the seed as BigQuery has them."""
    relations = {}
    for name, rows in raw_data.tables().items():
        columns = [(column.name, str(column.kind)) for column in TABLES[name].stored_columns]
        relations[f"orderwatch_raw__{name}"] = Relation(columns, [[row.get(c) for c, _ in columns] for row in rows])
    with (PROJECT / "seeds" / "payment_methods.csv").open() as file:
        names, *methods = csv.reader(file)
    relations["orderwatch_silver__payment_methods"] = Relation([(name, "STRING") for name in names], methods)
    return relations


@pytest.fixture(scope="module")
def evaluated(full: Compiled, raw_relations: dict[str, Relation], googlesql: GoogleSql) -> dict[str, Relation]:
    """Every model as the reference engine builds it, from raw on."""
    relations = dict(raw_relations)
    for model in full.models():
        tables = {name: relations[name] for name in full.read_by(model) if name in relations}
        relations[table_name(model)] = googlesql.query(sql(model), tables)
    return relations


def test_every_model_has_the_values_that_duckdb_built(
    full: Compiled, evaluated: dict[str, Relation], built: Project
) -> None:
    assert len(full.models()) >= 20
    for model in full.models():
        found = evaluated[table_name(model)]
        with built.connect() as connection:
            result = connection.execute(f"select * from {layer(model)}.{model['name']}")
            names = [name for name, *_ in result.description or ()]
            rows = result.fetchall()
        assert [name for name, _ in found.columns] == names, model["name"]
        assert rows, model["name"]
        assert same(found.rows, rows), model["name"]


def test_every_model_has_the_types_of_its_contract(full: Compiled, evaluated: dict[str, Relation]) -> None:
    contracted = [model for model in full.models() if model["contract"]["enforced"]]
    assert contracted
    for model in contracted:
        declared = {name: column["data_type"].upper() for name, column in model["columns"].items()}
        assert dict(evaluated[table_name(model)].columns) == declared, model["name"]


def test_requested_dates_are_built_as_in_full(
    full: Compiled, dated: Compiled, evaluated: dict[str, Relation], googlesql: GoogleSql
) -> None:
    models = incremental_models(dated, full)
    assert len(models) == 11
    for model in models:
        rows = dicts(evaluated[table_name(model)])
        expected = [row for row in rows if is_requested(row)]
        by_date = "business_date" in rows[0]
        replaced = DATES[1:4] if by_date else [DATES[1].replace(day=1)]
        assert model["config"]["partitions"] == [f"date '{day}'" for day in replaced]
        assert 0 < len(expected) < len(rows)
        tables = {name: evaluated[name] for name in dated.read_by(model)}
        assert same(googlesql.query(sql(model), tables).rows, map(dict.values, expected)), model["name"]


def test_without_requested_dates_the_missing_ones_are_built(
    full: Compiled, missing: Compiled, evaluated: dict[str, Relation], googlesql: GoogleSql
) -> None:
    models = incremental_models(missing, full)
    assert len(models) == 9
    for model in models:
        whole = evaluated[table_name(model)]
        # A row of each date will do: the reference engine reads them all again for every row that it asks about.
        there = {row["business_date"]: row for row in dicts(whole) if row["business_date"] in ALREADY_THERE}
        expected = [row for row in dicts(whole) if row["business_date"] not in ALREADY_THERE]
        assert len(there) == len(ALREADY_THERE)
        assert expected
        tables = {name: evaluated[name] for name in missing.read_by(model)}
        tables[table_name(model)] = Relation(whole.columns, [tuple(row.values()) for row in there.values()])
        assert same(googlesql.query(sql(model), tables).rows, map(dict.values, expected)), model["name"]


def test_every_data_test_passes(
    full: Compiled, dated: Compiled, evaluated: dict[str, Relation], googlesql: GoogleSql
) -> None:
    of_dates = {test["name"]: sql(test) for test in dated.tests()}
    assert len(of_dates) >= 40
    with googlesql.catalog(evaluated) as catalog:
        for test in full.tests():
            # Of all dates, and of some when that is another query.
            for query in {sql(test), of_dates[test["name"]]}:
                assert not catalog.query(query).rows, test["name"]


@pytest.mark.parametrize("compiled", ["full", "dated", "missing"])
def test_tables_that_require_a_filter_are_read_with_one(compiled: str, request: pytest.FixtureRequest) -> None:
    nodes = request.getfixturevalue(compiled)
    required = nodes.requiring_a_filter()
    assert required >= {"`parity`.`orderwatch_raw`.`orders`", "`parity`.`orderwatch_silver`.`fct_orders`"}
    read: Counter[str] = Counter()
    for node in [*nodes.models(), *nodes.tests()]:
        for table, query in references(node["compiled_code"]):
            if table in required:
                read[table] += 1
                assert FILTER.search(query), f"{node['name']} reads all dates of {table}: {query}"
    assert read.keys() == required


def test_a_day_reads_all_dates_of_short_aggregates_only(dated: Compiled) -> None:
    """Everything else is read by partition, so that what a day costs does not grow with its length."""
    read_whole = {
        table.split("`")[-2]
        for node in [*dated.models(), *dated.tests()]
        if node["config"]["materialized"] != "view"
        for table, query in references(node["compiled_code"])
        if table in dated.partitioned() and not RANGE.search(query)
    }
    assert read_whole == {
        "agg_daily_payment_hour_orders", "agg_monthly_user_orders", "agg_monthly_product_payment_orders"
    }  # fmt: skip


def test_a_day_reads_partitions_of_its_dates_and_months_only(dated: Compiled) -> None:
    """And of the dates beside them where a test looks for orders that moved: that many partitions in any history."""
    day = timedelta(days=1)
    months = (REBUILT[0].replace(day=1), date(2026, 11, 1))
    allowed = {REBUILT, (REBUILT[0] - day, REBUILT[1] + day), months}
    read: Counter[tuple[date, date]] = Counter()
    for node in [*dated.models(), *dated.tests()]:
        for table, query in references(node["compiled_code"]):
            if table in dated.partitioned() and RANGE.search(query):
                found = {
                    (date.fromisoformat(first or month), date.fromisoformat(last))
                    for first, month, last in BOUNDS.findall(query)
                }
                assert found, f"{node['name']} reads an open range of {table}: {query}"
                assert found <= allowed, f"{node['name']} reads other partitions of {table}: {query}"
                read.update(found)
    assert read.keys() == allowed


def test_a_reference_without_a_filter_is_found() -> None:
    filtered = "select * from `p`.`d`.`t` as t where (t.a = 1) and t.business_date >= date '2026-11-20'"
    for query, has_filter in [
        (filtered, True),
        (f"select * from ({filtered}) where c = 1", True),
        ("select business_date >= date '2026-11-20' from `p`.`d`.`t` where true", False),
        ("select * from (select * from `p`.`d`.`t`) where business_date >= date '2026-11-20'", False),
        ("select 1 from `p`.`d`.`t` union all select 1 from a where business_date >= date '2026-11-20'", False),
        ("select 1 from `p`.`d`.`t` where a in (select b from c where business_date >= date '2026-11-20')", False),
        ("select 1 from `p`.`d`.`t` where business_date in (select business_date from c)", False),
    ]:
        ((table, scope),) = references(query)
        assert table == "`p`.`d`.`t`"
        assert bool(FILTER.search(scope)) == has_filter, query


def test_a_merge_writes_each_date_once(dated: Compiled, parsed_for_bigquery: Manifest, tmp_path: Path) -> None:
    """Without a temporary table, which dbt would make to compare columns or to find the partitions."""
    incremental = [model for model in dated.models() if model["config"]["materialized"] == "incremental"]
    assert incremental
    for model in incremental:
        assert model["config"]["incremental_strategy"] == "insert_overwrite", model["name"]
        assert model["config"]["partitions"], model["name"]
    compared = "{{ incremental_validate_on_schema_change('fail') }}"
    with bigquery_environment():
        assert Project(tmp_path, parsed_for_bigquery).render(compared, *FOR_BIGQUERY) == "ignore"


def test_a_table_gives_way_to_a_view_without_a_full_refresh(parsed_for_bigquery: Manifest, tmp_path: Path) -> None:
    """dbt's own macro for BigQuery refuses it."""
    called = "{{ adapter.dispatch('handle_existing_table', 'dbt').macro.unique_id }}"
    with bigquery_environment():
        found = Project(tmp_path, parsed_for_bigquery).render(called, *FOR_BIGQUERY)
    assert found == "macro.orderwatch.bigquery__handle_existing_table"


def test_what_bigquery_lacks_is_refused(googlesql: GoogleSql) -> None:
    orders = Relation([("order_id", "STRING"), ("amount", "INT64")], [("a", 1)])
    for wrong in (
        "select total from orders",
        "select order_id, sum(amount) from orders group by all_of_it",
        "select order_id, amount from orders group by order_id",
        "select amount + order_id from orders",
        "select epoch_us(current_timestamp()) from orders",
        "select cast(amount as double) from orders",
    ):
        with pytest.raises(ServerError):
            googlesql.query(wrong, {"orders": orders})


def references(code: str) -> list[tuple[str, str]]:
    """Each table that a query references, with the text of that query without its nested queries."""
    code = re.sub(r"--.*", "", code)
    found = []
    for reference in REFERENCE.finditer(code):
        depth, rest = 0, []
        for character in code[reference.end() :]:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth < 0:
                break
            if depth == 0:
                rest.append(character)
        found.append((reference[0], re.split(r"\b(?:union|except)\b", "".join(rest))[0]))
    return found


def incremental_models(compiled: Compiled, full: Compiled) -> list[Node]:
    """Models whose code is another one when they are there already."""
    codes = {model["name"]: model["compiled_code"] for model in full.models()}
    return [model for model in compiled.models() if model["compiled_code"] != codes[model["name"]]]


def is_requested(row: Mapping[str, Any]) -> bool:
    """Whether a row is of the dates to be rebuilt, or of their month."""
    if "month_start" in row:
        return bool(row["month_start"] == REBUILT[0].replace(day=1))
    return bool(REBUILT[0] <= row["business_date"] <= REBUILT[1])


def layer(node: Node) -> str:
    """bronze, silver or gold: the schema on DuckDB."""
    return str(node["fqn"][1])


def dicts(relation: Relation) -> list[dict[str, Any]]:
    """Rows by column name."""
    names = [name for name, _ in relation.columns]
    return [dict(zip(names, row, strict=True)) for row in relation.rows]


def same(left: Iterable[Iterable[object]], right: Iterable[Iterable[object]]) -> bool:
    """Whether the rows are the same, in any order."""
    return Counter(map(tuple, left)) == Counter(map(tuple, right))
