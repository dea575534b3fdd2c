"""Stored orders of a DuckDB warehouse and of files, as a replay reads them."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pytest

from decision_engine.replay.orders import Partition
from decision_engine.ruleset import load_ruleset
from fraud_detector.replay.duckdb_orders import DuckDbOrders
from fraud_detector.replay.sources import SourceOrder, Wanted
from order_contract.event import OrderEvent
from order_platform.command_line.errors import UnavailableError, UsageError

MORNING = datetime(2026, 11, 20, 3, 15, 0, 123_456, tzinfo=UTC)
WANTED = Wanted("orders", "labels", datetime(2026, 11, 19, 17, tzinfo=UTC), datetime(2026, 11, 20, 17, tzinfo=UTC))
RULESET = load_ruleset()
ORDER: dict[str, Any] = {
    **dict.fromkeys(OrderEvent._fields), "order_id": "o1", "user_id": "u", "product_id": "p", "quantity": 1,
    "amount": 10**15, "currency": "IDR", "payment_method": "OVO", "country": "SG",
    "created_date": MORNING.isoformat(), "attributes": '{"a":1.0}', "status": "fraud", "outcome": "review",
    "risk_score": 50, "features": '{"hour":10,"x":1.50}', "ruleset_version": RULESET.version, "seen": "0012ac02",
    "lists_seen": 3, "source_topic": "orders", "source_epoch": 2, "source_partition": 1, "source_offset": 7,
}  # fmt: skip
HITS = [
    {"rule": rule.id, "severity": "low", "score": 30, "mode": "live", "reason": f"é {rule.id}"}
    for rule in RULESET.rules[:2]
]
OTHERS = [
    {**ORDER, "order_id": "before", "source_offset": 5, "created_date": "2026-11-19T16:59:59.999999Z"},
    {**ORDER, "order_id": "after", "source_offset": 8, "created_date": "2026-11-20T17:00:00Z"},
    {**ORDER, "order_id": "erased", "source_offset": 4, "created_date": "2026-11-18T17:00:00Z", "features": "{}"},
    {**ORDER, "order_id": "elsewhere", "source_topic": "others"},
]


def write_warehouse(file: Path, numbers: tuple[int | None, ...] = (1, 2)) -> None:
    lines = file.with_suffix(".jsonl")
    tables = {"orders": [ORDER, *OTHERS], "rule_hits": []}
    for number, hit in zip(numbers, reversed(HITS), strict=True):
        tables["rule_hits"].append({"business_date": "2026-11-20", "order_id": "o1", **hit, "hit_number": number})
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema raw")
        for table, rows in tables.items():
            lines.write_bytes(b"\n".join(map(orjson.dumps, rows)))
            connection.execute(
                f"create table raw.{table} as select * from read_json('{lines}', format = 'newline_delimited')"
            )


async def decided(source: DuckDbOrders) -> list[SourceOrder]:
    return [order async for part in source.read_decided(WANTED, {RULESET.version: RULESET}) for order in part]


@pytest.mark.parametrize("name", ["warehouse.duckdb", "orders.parquet", "orders.jsonl"])
async def test_orders_are_those_that_postgres_had(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    hits = [HITS[1], HITS[0]]
    if name == "orders.jsonl":
        file.write_bytes(b"\n".join(orjson.dumps({**row, "hits": hits}) for row in (ORDER, *OTHERS)))
    elif name == "orders.parquet":
        write_warehouse(tmp_path / "some.duckdb")
        with duckdb.connect(str(tmp_path / "some.duckdb")) as connection:
            connection.execute(f"copy (select *, '{orjson.dumps(hits).decode()}' as hits from raw.orders) to '{file}'")
    else:
        write_warehouse(file)
    source = DuckDbOrders(str(file))
    assert await source.count_versions(WANTED) == {RULESET.version: 1}
    since = WANTED.since - timedelta(days=1, microseconds=1)
    assert await source.count_dates(WANTED, since) == {date(2026, 11, 20): 1, date(2026, 11, 19): 2}
    (order,) = await decided(source)
    assert (order.partition, order.offset, order.is_erased) == (Partition(2, 1), 7, False)
    assert order.event == OrderEvent(
        "o1", "u", "p", 1, 10**15, "IDR", "OVO", "SG", MORNING, None, None, None, None, None, None, {"a": 1.0}
    )
    assert order.decision is not None
    assert (order.decision.seen, order.decision.lists_seen) == (b"\x00\x12\xac\x02", 3)
    assert order.decision.hits == orjson.dumps(hits).decode()
    assert order.decision.features == ORDER["features"]
    earlier = [each async for part in source.read_earlier(WANTED, since, []) for each in part]
    assert {each.event.order_id: each.is_erased for each in earlier} == {"before": False, "erased": True}
    assert {each.decision for each in earlier} == {None}
    source.close()


async def test_hits_without_a_place_are_in_the_sequence_of_the_rules(tmp_path: Path) -> None:
    write_warehouse(tmp_path / "warehouse.duckdb", (None, None))
    (order,) = await decided(DuckDbOrders(str(tmp_path / "warehouse.duckdb")))
    assert order.decision is not None
    assert order.decision.hits == orjson.dumps(HITS).decode()


async def test_a_file_that_cannot_be_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "few.jsonl.gz").write_bytes(b"no gzip")
    with duckdb.connect(str(tmp_path / "earlier.duckdb")) as connection:
        connection.execute("create schema raw; create table raw.orders (order_id text)")
        connection.execute(f"copy (select 1 as order_id) to '{tmp_path}/few.parquet'")
    for name, problem in (
        ("orders.csv", "is not a file of stored orders by its name"),
        ("no.duckdb", "does not exist"),
        ("no.parquet", "cannot be read: IO Error: No files found"),
        ("few.parquet", "cannot be read: Binder Error"),
        ("few.jsonl.gz", "cannot be read"),
        ("earlier.duckdb", "cannot be read: Catalog Error: Table with name rule_hits does not exist"),
    ):
        with pytest.raises(UsageError, match=problem):
            await DuckDbOrders(str(tmp_path / name)).count_versions(WANTED)


@pytest.mark.slow
def test_a_warehouse_that_another_process_has_open_is_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "warehouse.duckdb"
    write_warehouse(file)
    opening = f"import duckdb; c = duckdb.connect({str(file)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", opening], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        with pytest.raises(UnavailableError, match=f"another process has {file} open"):
            DuckDbOrders(str(file))
        process.communicate("\n")
    DuckDbOrders(str(file)).close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"seen": "zz"}, "non-hexadecimal"),
        ({"source_offset": None}, "source_offset is null"),
        ({"features": None, "user_id": None}, "user_id, features is null"),
        ({"attributes": "{"}, "order_id 'o1'"),
    ],
)
async def test_a_row_that_is_not_a_stored_order_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_bytes(orjson.dumps({**ORDER, "hits": HITS, **change}))
    with pytest.raises(UsageError, match=said):
        await decided(DuckDbOrders(str(file)))


async def test_a_file_whose_name_has_a_lock_in_it_is_not_unavailable(tmp_path: Path) -> None:
    file = tmp_path / "blocked.parquet"
    file.write_bytes(b"no parquet")
    with pytest.raises(UsageError, match="cannot be read"):
        DuckDbOrders(str(file))
