"""The queries that the adapter asks, computed from the rows; any other is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from order_batch.warehouse.tables import Kind
from tests.content_hash import as_text, row_hash, xor_all
from tests.fake_bigquery.api_error import ApiError, invalid, not_found
from tests.fake_bigquery.storage import Storage, StoredTable, check_labels
from tests.fake_bigquery.values import Row

_TOTALS = re.compile(
    r"SELECT DATE_TRUNC\((?P<column>\w+), (?P<span>DAY|MONTH)\) AS partition_start, COUNT\(\*\) AS row_count, "
    r"(?:COALESCE\(SUM\(CAST\((?P<amount>\w+) AS NUMERIC\)\), 0\)|CAST\(NULL AS NUMERIC\)) AS amount, "
    r"COALESCE\(BIT_XOR\(CAST\(CONCAT\('0x', SUBSTR\(TO_HEX\(MD5\("
    r"ARRAY_TO_STRING\(\[(?P<texts>.*)\], '\\x1f', '\\x1e'\)\)\), 1, 15\)\) AS INT64\)\), 0\) AS content_hash "
    r"FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>\w+)` "
    r"WHERE (?P=column) BETWEEN @first AND @last GROUP BY partition_start"
)
_ROW_COUNTS = re.compile(
    r"SELECT DATE_TRUNC\((?P<column>\w+), (?P<span>DAY|MONTH)\) AS partition_start, COUNT\(\*\) AS row_count "
    r"FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>\w+)` "
    r"WHERE (?P=column) BETWEEN @first AND @last GROUP BY partition_start"
)
_TEXTS = {
    "STRING": re.compile(r"(\w+)"),
    "INTEGER": re.compile(r"CAST\((\w+) AS STRING\)"),
    "TIMESTAMP": re.compile(r"CAST\(UNIX_MICROS\((\w+)\) AS STRING\)"),
    "DATE": re.compile(r"CAST\(UNIX_DATE\((\w+)\) AS STRING\)"),
}
_ALL = re.compile(
    r"SELECT \* FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>\w+)`"
    r"(?: WHERE business_date IN \((?P<days>DATE '[\d-]+'(?:, DATE '[\d-]+')*)\))?"
    r"(?: ORDER BY (?P<order_by>[\w, ]+?))?(?: LIMIT (?P<limit>\d+))?"
)
_ORDERS = re.compile(
    r"SELECT (?P<columns>[\w, ]+) FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>orders)` "
    r"WHERE business_date = @day AND order_id IN UNNEST\(@order_ids\)"
)
_BUILT_PARTITIONS = re.compile(
    r"SELECT (?P<columns>table_name, partition_start, total_rows, content_hash) "
    r"FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>built_partitions)`"
)
_BUILT_CONTENTS = re.compile(
    r"SELECT (?P<columns>partition_start, total_rows, amount, content_hash, is_complete) "
    r"FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>built_contents)` "
    r"WHERE table_name = @table AND partition_start BETWEEN @first AND @last"
)
_TOTALS_FIELDS = [
    {"name": "partition_start", "type": "DATE"}, {"name": "row_count", "type": "INTEGER"},
    {"name": "amount", "type": "NUMERIC"}, {"name": "content_hash", "type": "INTEGER"},
]  # fmt: skip
_KINDS = {"STRING": Kind.STRING, "INTEGER": Kind.INTEGER, "TIMESTAMP": Kind.TIMESTAMP, "DATE": Kind.DATE}
_ONLY_BUILT = re.compile(
    r"SELECT DISTINCT business_date FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>fct_orders)` "
    r"WHERE business_date >= DATE '0001-01-01' EXCEPT DISTINCT SELECT DISTINCT business_date "
    r"FROM `(?P=project)\.(?P<other_dataset>\w+)\.(?P<other>orders)` WHERE business_date >= DATE '0001-01-01' "
    r"ORDER BY business_date"
)
_UNFINISHED = re.compile(
    r"SELECT DISTINCT business_date FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>agg_\w+)` "
    r"WHERE business_date NOT IN "
    r"\(SELECT business_date FROM `(?P=project)\.(?P<other_dataset>\w+)\.(?P<other>built_dates)`\)"
)
_ERASE = re.compile(
    r"UPDATE `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>orders|users)` SET (?P<values>.+) "
    r"WHERE (?P<column>\w+) >= DATE '0001-01-01' AND user_id = @user_id"
)
_ORDERS_OF = re.compile(
    r"SELECT order_id FROM `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>orders)` "
    r"WHERE business_date >= DATE '0001-01-01' AND user_id = @user_id"
)
_ERASE_HITS = re.compile(
    r"UPDATE `(?P<project>[\w-]+)\.(?P<dataset>\w+)\.(?P<table>rule_hits)` "
    r"SET reason = '(?P<reason>\w+)', row_hash = NULL "
    r"WHERE business_date >= DATE '0001-01-01' AND order_id IN \((?P<orders>SELECT [^()]+)\)"
)
_LEAST_BYTES = 10 * 1024**2


@dataclass(frozen=True)
class Result:
    """What a query found."""

    fields: list[dict[str, Any]]
    rows: list[tuple[Any, ...]]


def run(storage: Storage, request: Mapping[str, Any]) -> Result:
    """Run the query of a jobs.query request."""
    check_labels(request.get("labels", {}))
    statement = "" if request.get("useLegacySql", True) else request["query"]
    if found := _TOTALS.fullmatch(statement) or _ROW_COUNTS.fullmatch(statement):
        return _totals(storage, found, request)
    if found := _ORDERS.fullmatch(statement):
        return _orders(storage, found, request)
    if found := _BUILT_PARTITIONS.fullmatch(statement) or _BUILT_CONTENTS.fullmatch(statement):
        given = {each["name"]: each["parameterValue"]["value"] for each in request.get("queryParameters", ())}
        return _built(storage, found, request, given)
    if found := _ONLY_BUILT.fullmatch(statement) or _UNFINISHED.fullmatch(statement):
        return _dates_without(storage, found, request)
    if (erased := _run_erasure(storage, statement, request)) is not None:
        return erased
    if found := _ALL.fullmatch(statement):
        table = _table(storage, found, request.get("location"))
        is_filtered = bool(found["days"]) and table.partition_column == "business_date"
        if table.resource.get("requirePartitionFilter") and not is_filtered:
            raise ApiError(
                400, "invalidQuery",
                f"Cannot query over table '{found['dataset']}.{found['table']}' without a filter over column(s) "
                f"'{table.partition_column}' that can be used for partition elimination",
            )  # fmt: skip
        _check_cost(request, 16 * len(table.rows))
        rows = _arranged(table.rows, found)
        return Result(table.fields, [tuple(row[each["name"]] for each in table.fields) for row in rows])
    raise ApiError(400, "invalidQuery", f"this is not a query that is known: {request['query']}")


def _dates_without(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> Result:
    """The business dates of a table that another one lacks."""
    other = storage.table(found["other_dataset"], found["other"])
    rows = _table(storage, found, request.get("location")).rows
    _check_cost(request, 8 * (len(rows) + len(other.rows)))
    only = {row["business_date"] for row in rows} - {row["business_date"] for row in other.rows}
    return Result([{"name": "business_date", "type": "DATE"}], [(day,) for day in sorted(only)])


def _run_erasure(storage: Storage, statement: str, request: Mapping[str, Any]) -> Result | None:
    """What erases a user; None when the statement is another."""
    if found := _ERASE.fullmatch(statement):
        return _erase(storage, found, request)
    if found := _ORDERS_OF.fullmatch(statement):
        return Result([{"name": "order_id", "type": "STRING"}], sorted(_orders_of(storage, found, request)))
    if (found := _ERASE_HITS.fullmatch(statement)) and (orders := _ORDERS_OF.fullmatch(found["orders"])):
        erased = _orders_of(storage, orders, request)
        for row in _table(storage, found, request.get("location")).rows:
            if (row["order_id"],) in erased:
                row |= {"reason": found["reason"], "row_hash": None}
        return Result([], [])
    return None


def _erase(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> Result:
    table, given = _table(storage, found, request.get("location")), _texts(request)
    if found["column"] != table.partition_column:
        raise ApiError(400, "invalidQuery", f"{found['column']} is not what {found['table']} is partitioned by")
    values: dict[str, str | None] = {}
    for assignment in found["values"].split(", "):
        name, _, value = assignment.partition(" = ")
        values[name] = None if value == "NULL" else given[value[1:]] if value.startswith("@") else value.strip("'")
    required = {each["name"] for each in table.fields if each["mode"] == "REQUIRED"}
    if not values.keys() <= {each["name"] for each in table.fields} or any(
        values[each] is None for each in required & values.keys()
    ):
        raise ApiError(400, "invalidQuery", f"{found['table']} cannot hold {values}")
    for row in table.rows:
        if row["user_id"] == given["user_id"]:
            row.update(values)
    return Result([], [])


def _orders_of(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> set[tuple[str]]:
    user_id, table = _texts(request)["user_id"], _table(storage, found, request.get("location"))
    return {(row["order_id"],) for row in table.rows if row["user_id"] == user_id}


def _texts(request: Mapping[str, Any]) -> dict[str, str]:
    given = request.get("queryParameters", ())
    if request.get("parameterMode") != "NAMED" or any(each["parameterType"] != {"type": "STRING"} for each in given):
        raise invalid(f"Query parameters are not those of the query: {given}")
    return {each["name"]: each["parameterValue"]["value"] for each in given}


def _orders(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> Result:
    table = _table(storage, found, request.get("location"))
    given = {each["name"]: each for each in request.get("queryParameters", ())}
    array = {"type": "ARRAY", "arrayType": {"type": "STRING"}}
    if {name: each["parameterType"] for name, each in given.items()} != {"day": {"type": "DATE"}, "order_ids": array}:
        raise invalid(f"Query parameters are not those of the query: {given}")
    day = date.fromisoformat(given["day"]["parameterValue"]["value"])
    ids = {each["value"] for each in given["order_ids"]["parameterValue"]["arrayValues"]}
    rows = [row for row in table.rows if row["business_date"] == day]
    _check_cost(request, 16 * len(rows))
    names = found["columns"].split(", ")
    fields = {each["name"]: each for each in table.fields}
    selected = [tuple(row[name] for name in names) for row in rows if row["order_id"] in ids]
    return Result([fields[name] for name in names], selected)


def _built(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any], given: Mapping[str, str]) -> Result:
    table = _table(storage, found, request.get("location"))
    rows = [
        row
        for row in table.rows
        if not given
        or (row["table_name"] == given["table"] and given["first"] <= str(row["partition_start"]) <= given["last"])
    ]
    _check_cost(request, 16 * len(rows))
    names = found["columns"].split(", ")
    fields = {each["name"]: each for each in table.fields}
    return Result([fields[name] for name in names], [tuple(row[name] for name in names) for row in rows])


def _arranged(rows: list[Row], found: "re.Match[str]") -> list[Row]:
    if found["days"] is not None:
        days = set(re.findall(r"[\d-]{10}", found["days"]))
        rows = [row for row in rows if str(row["business_date"]) in days]
    for key in reversed(found["order_by"].split(", ") if found["order_by"] else []):
        column, _, direction = key.partition(" ")
        if direction not in {"", "desc"} or any(row.get(column) is None for row in rows):
            raise ApiError(400, "invalidQuery", f"{key} is no column without nulls")
        rows = sorted(rows, key=lambda row: row[column], reverse=direction == "desc")
    return rows if found["limit"] is None else rows[: int(found["limit"])]


def _totals(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> Result:
    """The totals of partitions, or only their numbers of rows."""
    groups = _partitions(storage, found, request)
    if found.re is _ROW_COUNTS:
        return Result(_TOTALS_FIELDS[:2], [(day, len(group)) for day, group in groups.items()])
    table = _table(storage, found, request.get("location"))
    return Result(
        _TOTALS_FIELDS,
        [
            (day, len(group), _sum(group, found["amount"], table), _content_hash(group, found["texts"], table))
            for day, group in groups.items()
        ],
    )


def _partitions(storage: Storage, found: "re.Match[str]", request: Mapping[str, Any]) -> dict[date, list[Row]]:
    """The rows of the requested dates, by the first date of their partition."""
    table = _table(storage, found, request.get("location"))
    if found["column"] != table.partition_column:
        raise ApiError(400, "invalidQuery", f"{found['column']} is not what {found['table']} is partitioned by")
    first, last = _dates(request)
    rows = [row for row in table.rows if first <= row[found["column"]] <= last]
    _check_cost(request, 16 * len(rows))
    groups: dict[date, list[Row]] = {}
    for row in rows:
        day: date = row[found["column"]]
        groups.setdefault(day if found["span"] == "DAY" else day.replace(day=1), []).append(row)
    return groups


def _content_hash(rows: list[Row], texts: str, table: StoredTable) -> int:
    kinds = {each["name"]: each["type"] for each in table.fields}
    hashed: list[tuple[str, Kind]] = []
    for text in texts.split(", "):
        names = [name[1] for kind, form in _TEXTS.items() if (name := form.fullmatch(text)) and kinds[name[1]] == kind]
        if len(names) != 1:
            raise ApiError(400, "invalidQuery", f"No matching signature for {text}")
        hashed.append((names[0], _KINDS[kinds[names[0]]]))
    return xor_all(row_hash(as_text(kind, row[name]) for name, kind in hashed) for row in rows)


def _check_cost(request: Mapping[str, Any], scanned: int) -> None:
    limit, billed = int(request["maximumBytesBilled"]), max(_LEAST_BYTES, scanned)
    if billed > limit:
        message = f"Query exceeded limit for bytes billed: {limit}. {billed} or higher required."
        raise ApiError(400, "bytesBilledLimitExceeded", message)


def _table(storage: Storage, found: "re.Match[str]", location: str | None) -> StoredTable:
    dataset = found["dataset"]
    if found["project"] != storage.project or storage.dataset(dataset)["location"] != (location or "US"):
        raise not_found(f"Dataset {found['project']}:{dataset} was not found in location {location}")
    return storage.table(dataset, found["table"])


def _dates(request: Mapping[str, Any]) -> tuple[date, date]:
    if request.get("parameterMode") != "NAMED":
        raise invalid("parameters are not named")
    given = {each["name"]: each for each in request.get("queryParameters", ())}
    if given.keys() != {"first", "last"} or any(each["parameterType"] != {"type": "DATE"} for each in given.values()):
        raise invalid(f"Query parameters are not those of the query: {given}")
    first, last = (date.fromisoformat(given[name]["parameterValue"]["value"]) for name in ("first", "last"))
    return first, last


def _sum(rows: list[Row], amount: str | None, table: StoredTable) -> int | None:
    if amount is None:
        return None
    kinds = {each["name"]: each["type"] for each in table.fields}
    if kinds.get(amount) != "INTEGER":
        raise ApiError(400, "invalidQuery", f"Unrecognized name: {amount}")
    return sum(int(row[amount]) for row in rows if row[amount] is not None)
