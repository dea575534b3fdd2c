"""The warehouse: the row that the order's load brought there."""

from dataclasses import replace
from datetime import datetime

from order_contract.business_time import business_date
from orderwatch.explain.evidence import OrderEvidence
from orderwatch.explain.section import Section, differences
from orderwatch.record import Missing

_WAREHOUSE = Section("warehouse", "The row in the warehouse")
# When it was stored is the database's own, and not part of what is compared everywhere else.
_NOT_COMPARED = {"stored_at"}
# Null in what an earlier release loaded.
_ADDED = {"source_topic", "source_epoch"}


def warehouse_section(evidence: OrderEvidence) -> Section:
    """The row with its load, compared column by column; empty when the warehouse was not asked."""
    found = evidence.warehouse
    if found is None:
        return _WAREHOUSE
    if isinstance(found, Missing):
        return replace(_WAREHOUSE, notes=[found.reason])
    facts = {"business_date": found.business_date, "loaded_at": found.loaded_at}
    if found.columns is None:
        what = "it came after that load" if found.loaded_at else "its date is not loaded yet"
        return replace(_WAREHOUSE, facts=facts, notes=[what])
    here = {
        name: value
        for name, value in found.columns.items()
        if name not in _NOT_COMPARED and not (value is None and name in _ADDED)
    }
    row = {**evidence.row._asdict(), "business_date": business_date(evidence.row.created_date).isoformat()}
    stored = {name: row.get(name) for name in here}
    return replace(
        _WAREHOUSE,
        facts=facts,
        checked=f"{len(here)} columns",
        here="in the warehouse",
        differences=differences(stored, {name: _moment_of(stored[name], value) for name, value in here.items()}),
    )


def _moment_of(stored: object, value: object) -> object:
    """A moment, which JSON has as text, where one is stored."""
    return datetime.fromisoformat(value) if isinstance(stored, datetime) and isinstance(value, str) else value
