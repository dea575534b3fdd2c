"""Models in a DuckDB file: a table beside them holds their versions."""

from collections.abc import Iterable, Mapping
from datetime import date

import duckdb

from order_batch.warehouse.models import LAYERS, UNRECORDED, BuiltModel

_MODELS = """
    select built.table_schema, built.table_name, built.table_type = 'VIEW', recorded.version
    from information_schema.tables as built
    left join raw.model_versions as recorded on recorded.model = built.table_name
    where built.table_schema in $layers and (recorded.model is not null or built.table_name in $unrecorded)
    order by all
"""
_ONLY_BUILT = """
    select distinct business_date from silver.fct_orders
    where business_date not in (select distinct business_date from raw.orders)
    order by all
"""


def create_versions(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the table of versions, unless it is there."""
    connection.execute("create table if not exists raw.model_versions (model varchar primary key, version varchar)")


def read_models(connection: duckdb.DuckDBPyConnection) -> list[BuiltModel]:
    """What dbt built."""
    found = connection.execute(_MODELS, {"layers": list(LAYERS), "unrecorded": sorted(UNRECORDED)}).fetchall()
    return [BuiltModel(*row) for row in found]


def record_versions(connection: duckdb.DuckDBPyConnection, versions: Mapping[str, str]) -> None:
    """Record the versions of models that were built."""
    if versions:
        connection.executemany("insert or replace into raw.model_versions values (?, ?)", list(versions.items()))


def drop_models(connection: duckdb.DuckDBPyConnection, models: Iterable[BuiltModel]) -> None:
    """Drop these models and their versions, all or nothing."""
    connection.begin()
    for model in models:
        connection.execute(f'drop {"view" if model.is_view else "table"} if exists {model.layer}."{model.name}"')
        connection.execute("delete from raw.model_versions where model = $1", [model.name])
    connection.commit()


def dates_only_built(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Business dates of silver.fct_orders that raw.orders does not hold."""
    if not any(model.name == "fct_orders" for model in read_models(connection)):
        return []
    return [day for (day,) in connection.execute(_ONLY_BUILT).fetchall()]
