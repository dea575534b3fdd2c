"""Asking the warehouse about orders, through the batch side's own command: its packages are in another environment."""

import subprocess
from collections.abc import Mapping, Sequence

import orjson

from orderwatch.embedded import airflow
from orderwatch.environment import variables
from orderwatch.explain.evidence import WarehouseRow
from orderwatch.project import ROOT
from orderwatch.record import Missing

_SECONDS = 120


def read_warehouse(order_ids: Sequence[str]) -> Mapping[str, WarehouseRow | Missing]:
    """What the warehouse holds of each of these orders; why, where it cannot be asked."""
    program = airflow.executable("order-batch")
    if not program.exists():
        return dict.fromkeys(order_ids, Missing(f"{program} is missing: `make marts` installs the batch side"))
    try:
        done = subprocess.run(  # noqa: S603  (of this checkout)
            [program, "orders", "--json"],
            input="".join(f"{order_id}\0" for order_id in order_ids).encode(),
            capture_output=True,
            check=False,
            timeout=_SECONDS,
            cwd=ROOT,
            env=dict(variables()),
        )
    except subprocess.TimeoutExpired:
        return dict.fromkeys(order_ids, Missing(f"the warehouse did not answer within {_SECONDS} seconds"))
    if done.returncode != 0:
        return dict.fromkeys(order_ids, Missing(done.stderr.decode(errors="replace").strip()))
    found = map(orjson.loads, done.stdout.splitlines())
    rows: Mapping[str, WarehouseRow | Missing] = {
        each["order_id"]: WarehouseRow(each["business_date"], each["loaded_at"], each["row"]) for each in found
    }
    return {order_id: rows.get(order_id, Missing("the batch side does not know it")) for order_id in order_ids}
