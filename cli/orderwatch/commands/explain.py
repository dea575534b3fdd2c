"""`orderwatch explain`: how a decision came about, and that everything that is kept of it agrees."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from order_platform.command_line.errors import UsageError
from order_platform.command_line.output import ERR, OUT, print_json
from order_platform.command_line.terminal_text import printable
from order_platform.kafka.topic_reader import SINGLE_MESSAGES, Missing, TopicReader
from order_platform.settings import DatabaseSettings, KafkaSettings
from orderwatch.connections import (
    database_settings,
    kafka_settings,
    open_database,
    translate_broker_errors,
    translate_database_errors,
)
from orderwatch.explain import build_explanation
from orderwatch.explain.evidence import OrderEvidence, WarehouseRow
from orderwatch.explain.evidence_loader import EvidenceLoader
from orderwatch.explain.explanation import Explanation
from orderwatch.explain.render import explanation_document, print_explanation
from orderwatch.warehouse_reader import WarehouseNotAskedError, read_warehouse

CHUNK = 100
"""Orders that are looked up together: few enough that their messages fit into memory, whatever their size."""


def explain(
    asked: Annotated[
        str | None, typer.Argument(metavar="[ID | ORIGIN]", help="An order's id, or a message: orders/3/12345.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(help="Instead: check so many random orders, show those that disagree.", min=1)
    ] = None,
    warehouse: Annotated[bool, typer.Option("--warehouse", help="Compare with the warehouse's row, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one object.")] = False,
) -> None:
    """Explain a decision from the bytes on the topic on, and check that all that is kept of it agrees.

    The message is read where the stored order says it came from, and decoded again; the order is decided again from
    the stored values, by the ruleset that decided it; the published decision is compared with the stored one, and
    if asked for, the row that the batch side loaded into the warehouse.
    Exits 1 when anything disagrees, and 3 when the warehouse was to be asked and could not be. What cannot be
    compared, such as a message that retention deleted, is said.

    orderwatch explain 01KAPB3J9D8GQY7S2V0V4N6R1M
    orderwatch explain orders/3/12345
    orderwatch explain --sample 1000 --warehouse
    """
    if (asked is None) is (sample is None):
        raise UsageError("explain requires an order's id, an origin, or --sample", "For example: --sample 1000")
    kafka, database = kafka_settings(), database_settings()
    reader = _WarehouseReader() if warehouse else None
    with translate_broker_errors(kafka), translate_database_errors(database):
        if asked is not None:
            explanations = [asyncio.run(_explain_one(kafka, database, asked, reader))]
        else:
            explanations = asyncio.run(_explain_sample(kafka, database, sample or 0, reader))
    if asked is not None:
        _print_one(explanations[0], as_json=as_json)
    else:
        _print_sample(explanations, as_json=as_json)
    if reader is not None and reader.problem is not None:
        raise reader.problem
    raise typer.Exit(0 if all(explanation.agrees for explanation in explanations) else 1)


@asynccontextmanager
async def _open_loader(kafka: KafkaSettings, database: DatabaseSettings) -> AsyncIterator[EvidenceLoader]:
    async with open_database(database) as connection, TopicReader(kafka, **SINGLE_MESSAGES) as records:
        yield EvidenceLoader(kafka, connection, records)


class _WarehouseReader:
    """Asks the warehouse; that it could not be asked is raised when all else was shown."""

    def __init__(self) -> None:
        self.problem: WarehouseNotAskedError | None = None

    async def read(self, order_ids: Sequence[str]) -> Mapping[str, WarehouseRow | Missing]:
        try:
            return await asyncio.to_thread(read_warehouse, order_ids)
        except WarehouseNotAskedError as error:
            self.problem = error
            return dict.fromkeys(order_ids, Missing(str(error)))


async def _explain_one(
    kafka: KafkaSettings, database: DatabaseSettings, asked: str, warehouse: _WarehouseReader | None
) -> Explanation:
    async with _open_loader(kafka, database) as loader:
        found = await loader.load(asked)
        if warehouse is not None and isinstance(found, OrderEvidence):
            order_id = found.row.order_id
            found = replace(found, warehouse=(await warehouse.read([order_id]))[order_id])
        return build_explanation(found)


async def _explain_sample(
    kafka: KafkaSettings, database: DatabaseSettings, count: int, warehouse: _WarehouseReader | None
) -> list[Explanation]:
    explanations: list[Explanation] = []
    async with _open_loader(kafka, database) as loader:
        order_ids = await loader.sample_order_ids(count)
        rows = {} if warehouse is None else await warehouse.read(order_ids)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        # On the error stream, so that what is found can go elsewhere.
        with Progress(*columns, console=ERR, transient=True, disable=not ERR.is_terminal) as progress:
            task = progress.add_task("explaining", total=len(order_ids))
            for first in range(0, len(order_ids), CHUNK):
                chunk = order_ids[first : first + CHUNK]
                found = await loader.load_orders(chunk)
                explanations += [
                    build_explanation(replace(each, warehouse=rows.get(each.row.order_id))) for each in found
                ]
                progress.advance(task, len(chunk))
    return explanations


def _print_one(explanation: Explanation, *, as_json: bool) -> None:
    if as_json:
        print_json(explanation_document(explanation))
    else:
        print_explanation(OUT, explanation)


def _print_sample(explanations: Sequence[Explanation], *, as_json: bool) -> None:
    disagree = [explanation for explanation in explanations if not explanation.agrees]
    compared = Counter(
        section.name for explanation in explanations for section in explanation.sections if section.checked is not None
    )
    if as_json:
        document = {
            "orders": len(explanations),
            "compared": compared,
            "disagree": [explanation_document(each) for each in disagree],
        }
        print_json(document)
        return
    for explanation in disagree:
        OUT.print(printable(explanation.verdict()), style="red", markup=False, soft_wrap=True)
        for sentence in explanation.sentences():
            OUT.print(f"  {printable(sentence)}", markup=False, soft_wrap=True)
    places = ", ".join(f"{name} {count:,}" for name, count in compared.items())
    OUT.print(f"{len(explanations):,} orders explained; compared: {places or 'nothing'}.", markup=False)
    if disagree:
        OUT.print(f"{len(disagree):,} are not consistent.", style="bold red")
    else:
        OUT.print("All are consistent.", style="green")
