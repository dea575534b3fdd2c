"""Stored orders outside Postgres, for a replay: the DuckDB warehouse, exports, and files of Parquet or JSON lines."""

import importlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from decision_engine.history.declaration import HistoryFeature
from decision_engine.replay.orders import ERASED, Partition, StoredDecision
from decision_engine.ruleset import Ruleset
from fraud_detector.replay.sources import SourceOrder, Wanted
from order_contract.event import OrderEvent, event_from_columns
from order_platform.command_line.errors import UnavailableError, UsageError

ROWS_AT_ONCE: Final = 5_000
WAREHOUSE_SUFFIX: Final = ".duckdb"
_JSON_SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# The columns of raw.orders, and the hits, which the warehouse has in a table of their own.
_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(OrderEvent._fields, "VARCHAR"),
    "quantity": "BIGINT", "amount": "BIGINT", "created_date": "TIMESTAMPTZ", "account_created_date": "TIMESTAMPTZ",
    "status": "VARCHAR", "outcome": "VARCHAR", "risk_score": "BIGINT", "hits": "VARCHAR", "features": "VARCHAR",
    "ruleset_version": "VARCHAR", "seen": "VARCHAR", "lists_seen": "BIGINT",
    "source_topic": "VARCHAR", "source_epoch": "BIGINT", "source_partition": "BIGINT", "source_offset": "BIGINT",
}  # fmt: skip
_TIMES: Final = [OrderEvent._fields.index(name) for name in ("created_date", "account_created_date")]
_REQUIRED: Final = (
    "order_id", "user_id", "product_id", "quantity", "amount", "currency", "payment_method", "country", "created_date",
)  # fmt: skip
_EVENT_FIELDS: Final = len(OrderEvent._fields)
_EVENT: Final = ", ".join(f"epoch_us({name})" if _TYPES[name] == "TIMESTAMPTZ" else name for name in OrderEvent._fields)
_PLACE: Final = "coalesce(source_epoch, 1), source_partition, source_offset"
_DECISION: Final = "seen, lists_seen, status, outcome, risk_score, hits, features, ruleset_version"
_HITS: Final = """
    select order_id, list([hit_number::varchar, rule, severity, score::varchar, mode, reason]) as hits
    from rule_hits
    where business_date between $2::timestamptz::date - 1 and $3::timestamptz::date + 1
    group by order_id
"""
_NO_HITS: Final = """(
    select null::date as business_date, null::varchar as order_id, null::bigint as hit_number, null::varchar as rule,
        null::varchar as severity, null::bigint as score, null::varchar as mode, null::varchar as reason
    limit 0
)"""
"""Where no rule fired in any of the dates: such dates have no file."""


class DuckDbOrders:
    """The OrderSource of a file: a DuckDB warehouse, or Parquet or JSON lines with the columns of raw.orders and hits.

    `*` in a file name names several files. A folder is what `order-batch export` writes. Raises UsageError for what is
    not such a file, and UnavailableError while another process has the warehouse open.
    """

    def __init__(self, location: str) -> None:
        self._location = location
        self._duckdb = _import_duckdb(location)
        self._has_hits_apart = False
        # A table that is missing must not be taken from a variable of the same name.
        self._connection = self._duckdb.connect(config={"python_enable_replacements": False})
        try:
            self._open()
        except self._duckdb.Error as error:
            raise self._problem(error) from None

    def _open(self) -> None:
        self._connection.execute("set TimeZone = 'UTC'")
        if self._location.endswith(WAREHOUSE_SUFFIX):
            orders, rule_hits = self._warehouse()
        elif Path(self._location).is_dir():
            orders, rule_hits = self._export()
        else:
            orders, rule_hits = self._files(), None
        if rule_hits is not None:
            self._connection.execute(f"create view rule_hits as from {rule_hits}")
            self._has_hits_apart = True
        columns = _columns(name for name in _TYPES if name != "hits" or rule_hits is None)
        self._connection.execute(f"create view orders as select {columns} from {orders}")  # noqa: S608
        self._connection.execute("select * from orders limit 0")

    def _warehouse(self) -> tuple[str, str]:
        """The raw tables of orders and hits."""
        if not Path(self._location).is_file():
            raise UsageError(f"{self._location} does not exist")
        self._connection.execute(f"attach {_literal(self._location)} as warehouse (read_only)")
        return "warehouse.raw.orders", "warehouse.raw.rule_hits"

    def _export(self) -> tuple[str, str]:
        """The files of orders and hits. Raises UsageError for a folder without orders."""
        orders, rule_hits = (Path(self._location, table) for table in ("orders", "rule_hits"))
        if not any(orders.glob("*.parquet")):
            raise UsageError(
                f"{self._location} holds no exported orders: orders/*.parquet is missing",
                "`order-batch export 2026-11-20 --to FOLDER` writes them.",
            )
        hits = _parquet(f"{rule_hits}/*.parquet") if any(rule_hits.glob("*.parquet")) else _NO_HITS
        return _parquet(f"{orders}/*.parquet"), hits

    def _files(self) -> str:
        if self._location.endswith(".parquet"):
            return _parquet(self._location)
        if self._location.endswith(_JSON_SUFFIXES):
            columns = ", ".join(f"{_literal(name)}: {_literal(kind)}" for name, kind in _TYPES.items())
            return f"read_json({_literal(self._location)}, format = 'newline_delimited', columns = {{{columns}}})"
        raise UsageError(
            f"{self._location} is not a file of stored orders by its name",
            f"A name ends in {WAREHOUSE_SUFFIX}, .parquet, {', '.join(_JSON_SUFFIXES)}; or name a folder of an export.",
        )

    async def count_versions(self, wanted: Wanted) -> Mapping[str, int]:
        query = f"select ruleset_version, count(*) from orders where {_within('>=')} group by 1"  # noqa: S608
        return dict(self._fetch(query, wanted.topic, wanted.since, wanted.until))

    async def count_dates(self, wanted: Wanted, since: datetime) -> Mapping[date, int]:
        query = f"""
            select (epoch_us(created_date) + 25200000000) // 86400000000, count(*) from orders
            where {_within(">")} group by 1
        """  # noqa: S608  (business time is UTC+7)
        found = self._fetch(query, wanted.topic, since, wanted.until)
        return {_EPOCH.date() + timedelta(days=day): count for day, count in found}

    async def read_decided(
        self, wanted: Wanted, rulesets: Mapping[str, Ruleset]
    ) -> AsyncGenerator[list[SourceOrder], None]:
        source = "orders"
        if self._has_hits_apart:
            source = f"orders left join ({_HITS}) as found using (order_id)"
        query = f"select {_EVENT}, {_PLACE}, {_DECISION} from {source} where {_within('>=')}"  # noqa: S608
        places = {
            version: {rule.id: number for number, rule in enumerate(ruleset.rules)}
            for version, ruleset in rulesets.items()
        }
        for rows in self._parts(query, wanted.topic, wanted.since, wanted.until):
            yield [self._read_row(row, lambda row: self._decided(row, places)) for row in rows]

    async def read_earlier(
        self,
        wanted: Wanted,
        since: datetime,
        features: Sequence[HistoryFeature],
    ) -> AsyncGenerator[list[SourceOrder], None]:
        query = f"select {_EVENT}, {_PLACE}, features from orders where {_within('>')}"  # noqa: S608
        for rows in self._parts(query, wanted.topic, since, wanted.since):
            yield [self._read_row(row, _earlier) for row in rows]

    def close(self) -> None:
        self._connection.close()

    def _read_row(self, row: Sequence[Any], read: Callable[[Sequence[Any]], SourceOrder]) -> SourceOrder:
        """The order of a row. Raises UsageError for a row that no stored order has."""
        try:
            order = read(row)
            _require_values(order)
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            raise UsageError(
                f"{self._location} holds a row that is not a stored order: order_id {str(row[0])[:64]!r}, {error}",
                "docs/replay.md lists the columns.",
            ) from None
        return order

    def _decided(self, row: Sequence[Any], places: Mapping[str, Mapping[str, int]]) -> SourceOrder:
        epoch, number, offset, seen, *decision = row[_EVENT_FIELDS:]
        stored = StoredDecision(None if seen is None else bytes.fromhex(seen), *decision)
        if self._has_hits_apart:
            hits = _join_hits(decision[4], places.get(stored.ruleset_version, {}))
            stored = stored._replace(hits=hits)
        return SourceOrder(Partition(epoch, number), offset, _event(row[:_EVENT_FIELDS]), stored, stored.is_erased)

    def _fetch(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        return [row for rows in self._parts(query, *parameters) for row in rows]

    def _parts(self, query: str, *parameters: object) -> Iterator[list[tuple[Any, ...]]]:
        """The rows in parts. `parameters` are the topic and two times."""
        topic, *times = parameters
        moments = [time.isoformat() for time in times if isinstance(time, datetime)]
        try:
            found = self._connection.cursor().execute(query, [topic, *moments])
            while rows := found.fetchmany(ROWS_AT_ONCE):
                yield rows
        except self._duckdb.Error as error:
            raise self._problem(error) from None

    def _problem(self, error: Exception) -> UsageError | UnavailableError:
        text = str(error).splitlines()[0]
        if isinstance(error, self._duckdb.IOException) and "Could not set lock" in text:
            return UnavailableError(
                f"another process has {self._location} open: {text}", "Run it again when that process has ended."
            )
        return UsageError(f"{self._location} cannot be read: {text}", "docs/replay.md lists the columns.")


def _import_duckdb(location: str) -> Any:
    try:
        return importlib.import_module("duckdb")
    except ImportError:
        raise UsageError(
            f"reading {location} takes DuckDB, which is not installed",
            "Run `make install`, or install fraud-detector[warehouse].",
        ) from None


def _columns(names: Iterable[str]) -> str:
    return ", ".join(f"{name}::{_TYPES[name]} as {name}" for name in names)


def _within(first: str) -> str:
    return f"""
        coalesce(source_topic, $1) = $1 and created_date {first} $2::timestamptz and created_date < $3::timestamptz
    """


def _parquet(files: str) -> str:
    return f"read_parquet({_literal(files)}, union_by_name = true)"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _earlier(row: Sequence[Any]) -> SourceOrder:
    *event, epoch, number, offset, features = row
    return SourceOrder(Partition(epoch, number), offset, _event(event), None, features == ERASED)


def _require_values(order: SourceOrder) -> None:
    """Raises ValueError for a column that is null, and is not in a stored order."""
    required = {
        "source_partition": order.partition.number, "source_offset": order.offset,
        **{name: getattr(order.event, name) for name in _REQUIRED},
        **({} if order.decision is None else order.decision._asdict()),
    }  # fmt: skip
    missing = [name for name, value in required.items() if value is None and name not in {"seen", "lists_seen"}]
    if missing:
        raise ValueError(f"{', '.join(missing)} is null")


def _event(row: Sequence[Any]) -> OrderEvent:
    columns = list(row)
    for position in _TIMES:
        if columns[position] is not None:
            columns[position] = _EPOCH + timedelta(microseconds=columns[position])
    return event_from_columns(columns)


def _join_hits(hits: Sequence[Sequence[Any]] | None, places: Mapping[str, int]) -> str:
    """The hits of an order as they are stored in Postgres.

    In their sequence; a warehouse of an earlier release does not have it: then in that of the rules.
    """
    if not hits:
        return "[]"
    ordered = sorted(hits, key=lambda hit: int(hit[0]) if hit[0] is not None else places.get(hit[1], 0))
    return orjson.dumps(
        [
            {"rule": rule, "severity": severity, "score": int(score), "mode": mode, "reason": reason}
            for _, rule, severity, score, mode, reason in ordered
        ]
    ).decode()
