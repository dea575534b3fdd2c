"""GoogleSQL run for real: Google's own analyzer and reference engine, what BigQuery's language is defined by.

The `zetasql` package carries them as WebAssembly. This is a thin layer over its protocol: tables in, rows out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

from zetasql.wasi._pb2.zetasql.local_service.local_service_pb2 import (
    EvaluateQueryRequest,
    EvaluateQueryResponse,
    LanguageOptionsRequest,
    PrepareQueryRequest,
    PrepareQueryResponse,
    RegisterCatalogRequest,
    RegisterResponse,
    TableContent,
    UnprepareQueryRequest,
    UnregisterRequest,
)
from zetasql.wasi._pb2.zetasql.proto.options_pb2 import AnalyzerOptionsProto, LanguageOptionsProto
from zetasql.wasi._pb2.zetasql.proto.simple_catalog_pb2 import SimpleCatalogProto
from zetasql.wasi._pb2.zetasql.public.options_pb2 import PRODUCT_EXTERNAL
from zetasql.wasi._pb2.zetasql.public.type_pb2 import TypeKind
from zetasql.wasi._pb2.zetasql.public.value_pb2 import ValueProto

from tests_python.support.googlesql_engine import EngineClient

_EPOCH = date(1970, 1, 1)
_NUMERIC_UNITS = 10**9
"""A NUMERIC has nine decimal places."""
_KINDS = {
    "BOOL": TypeKind.TYPE_BOOL,
    "DATE": TypeKind.TYPE_DATE,
    "DATETIME": TypeKind.TYPE_DATETIME,
    "FLOAT64": TypeKind.TYPE_DOUBLE,
    "INT64": TypeKind.TYPE_INT64,
    "NUMERIC": TypeKind.TYPE_NUMERIC,
    "STRING": TypeKind.TYPE_STRING,
    "TIMESTAMP": TypeKind.TYPE_TIMESTAMP,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}


@dataclass(frozen=True)
class Relation:
    """A table's columns, as name and type in GoogleSQL's words, and its rows as Python values."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]


class GoogleSql:
    """Google's analyzer and reference engine. Tables are given with each query or registered once for many."""

    def __init__(self, cache: Path) -> None:
        """`cache`: the folder that keeps the compiled engine; compiling takes half a minute."""
        self._client = EngineClient(cache)
        language = self._client.call_grpc_func(
            "ZetaSqlLocalService_GetLanguageOptions",
            LanguageOptionsRequest(maximum_features=True),
            LanguageOptionsProto,
        )
        # BigQuery's outside face: without the types that only Google's own systems have.
        language.product_mode = PRODUCT_EXTERNAL
        self._options = AnalyzerOptionsProto(language_options=language, default_timezone="UTC")

    def query(self, sql: str, tables: Mapping[str, Relation]) -> Relation:
        """Analyse and run a query over these tables. Raises zetasql's ServerError when the analyzer refuses it."""
        with self.catalog(tables) as catalog:
            return catalog.query(sql)

    def catalog(self, tables: Mapping[str, Relation]) -> "Catalog":
        """Tables for many queries; a context manager."""
        return Catalog(self._client, self._options, tables)


class Catalog:
    """Tables known to the engine."""

    def __init__(self, client: "EngineClient", options: AnalyzerOptionsProto, tables: Mapping[str, Relation]) -> None:
        self._client = client
        self._options = options
        request = RegisterCatalogRequest(simple_catalog=_catalog(tables, options.language_options))
        for name, relation in tables.items():
            request.table_content[name].CopyFrom(_content(relation))
        registered = client.call_grpc_func("ZetaSqlLocalService_RegisterCatalog", request, RegisterResponse)
        self._id = registered.registered_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.call_grpc_func("ZetaSqlLocalService_UnregisterCatalog", UnregisterRequest(registered_id=self._id))

    def query(self, sql: str) -> Relation:
        """Analyse and run a query."""
        request = PrepareQueryRequest(sql=sql, options=self._options, registered_catalog_id=self._id)
        prepared = self._client.call_grpc_func(
            "ZetaSqlLocalService_PrepareQuery", request, PrepareQueryResponse
        ).prepared
        try:
            answer = self._client.call_grpc_func(
                "ZetaSqlLocalService_EvaluateQuery",
                EvaluateQueryRequest(prepared_query_id=prepared.prepared_query_id),
                EvaluateQueryResponse,
            )
        finally:
            self._client.call_grpc_func(
                "ZetaSqlLocalService_UnprepareQuery",
                UnprepareQueryRequest(prepared_query_id=prepared.prepared_query_id),
            )
        columns = [(column.name, _NAMES[column.type.type_kind]) for column in prepared.columns]
        rows = [tuple(_python(cell) for cell in row.cell) for row in answer.content.table_data.row]
        return Relation(columns, rows)


def _catalog(tables: Mapping[str, Relation], language: LanguageOptionsProto) -> SimpleCatalogProto:
    catalog = SimpleCatalogProto(name="warehouse")
    catalog.builtin_function_options.language_options.CopyFrom(language)
    for name, relation in tables.items():
        table = catalog.table.add(name=name)
        for column, kind in relation.columns:
            table.column.add(name=column).type.type_kind = _KINDS[kind]
    return catalog


def _content(relation: Relation) -> TableContent:
    content = TableContent()
    rows = content.table_data.row
    for row in relation.rows:
        rows.add(cell=[_value(value) for value in row])
    return content


def _value(value: object) -> ValueProto:
    made = ValueProto()
    match value:
        case None:
            pass
        case bool():
            made.bool_value = value
        case int():
            made.int64_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case datetime() if value.tzinfo is not None:
            made.timestamp_value.FromDatetime(value.astimezone(UTC).replace(tzinfo=None))
        case datetime():
            packed = value.year << 26 | value.month << 22 | value.day << 17
            packed |= value.hour << 12 | value.minute << 6 | value.second
            made.datetime_value.bit_field_datetime_seconds = packed
            made.datetime_value.nanos = value.microsecond * 1000
        case date():
            made.date_value = (value - _EPOCH).days
        case _:
            raise TypeError(f"{value!r} is of a type that the warehouse has no columns of")
    return made


def _python(value: ValueProto) -> object:
    field = value.WhichOneof("value")
    if field is None:
        return None
    content = getattr(value, field)
    match field:
        case "date_value":
            return _EPOCH + timedelta(days=content)
        case "numeric_value":
            return Decimal(int.from_bytes(content, "little", signed=True)) / _NUMERIC_UNITS
        case "timestamp_value":
            return content.ToDatetime(tzinfo=UTC)
        case "datetime_value":
            packed = content.bit_field_datetime_seconds
            return datetime(  # noqa: DTZ001  (a DATETIME has no zone)
                packed >> 26,
                packed >> 22 & 0xF,
                packed >> 17 & 0x1F,
                packed >> 12 & 0x1F,
                packed >> 6 & 0x3F,
                packed & 0x3F,
                content.nanos // 1000,
            )
        case _:
            return content
