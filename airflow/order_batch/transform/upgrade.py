"""Builds that also bring a warehouse of an earlier release to the models of this one.

An incremental model keeps rows of earlier builds. When its version is not the one that is recorded in the warehouse,
all models are rebuilt once from the raw tables, which no refresh touches; models that the project no longer has are
dropped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import structlog

from order_batch.transform.dbt import Dbt, log_event
from order_batch.transform.log_lines import NodeEvent
from order_batch.transform.model_versions import ProjectModels
from order_batch.transform.results import Build
from order_batch.warehouse.models import BuiltModel
from order_batch.warehouse.port import Warehouse, WarehouseError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What a build has to do with models of earlier releases: outdated ones with the reason, and those to drop."""

    outdated: Mapping[str, str]
    dropped: tuple[BuiltModel, ...]


def plan_upgrade(project: ProjectModels, built: list[BuiltModel]) -> Upgrade:
    """Compare the models in the warehouse with those of the project."""
    outdated = {
        model.name: "its version is not recorded" if model.version is None else "its definition has changed"
        for model in built
        if model.name in project.incremental and model.version != project.versions[model.name]
    }
    return Upgrade(outdated, tuple(model for model in built if model.name not in project.versions))


def build(
    dbt: Dbt,
    warehouse: Warehouse,
    first: date,
    last: date,
    listen: Callable[[NodeEvent], None] = log_event,
    *,
    full_refresh: bool = False,
) -> Build:
    """Build and test business dates `first` to `last`, or all dates where models are outdated; failures are in the
    results.

    Raises DbtError if there are none, and WarehouseError when rebuilding would lose dates.
    """
    project = dbt.models()
    upgrade = plan_upgrade(project, warehouse.models())
    if upgrade.outdated:
        log.warning("rebuilding", models=sorted(upgrade.outdated), because=sorted(set(upgrade.outdated.values())))
    if full_refresh or upgrade.outdated:
        _require_raw(warehouse, first, last)
        result = dbt.rebuild(listen)
    else:
        result = dbt.build(first, last, listen)
    succeeded = {each.name for each in result.results if each.kind in {"model", "seed"} and not each.failed}
    warehouse.record_models({name: version for name, version in project.versions.items() if name in succeeded})
    if upgrade.dropped and not any(each.failed for each in result.results):
        log.warning("dropping_models", models=[f"{each.layer}.{each.name}" for each in upgrade.dropped])
        warehouse.drop_models(upgrade.dropped)
    return result


def _require_raw(warehouse: Warehouse, first: date, last: date) -> None:
    """Raise WarehouseError when models hold dates that the raw tables lack; those of this run were just loaded."""
    lost = [day for day in warehouse.dates_only_built() if not first <= day <= last]
    if lost:
        shown = ", ".join(map(str, lost[:10])) + (f" and {len(lost) - 10:,} more" if len(lost) > 10 else "")
        raise WarehouseError(
            f"the models cannot be rebuilt: raw.orders no longer holds {shown}, and rebuilding would drop these dates "
            "from the marts. Restore its partitions, or load the dates again with `order-batch run DATE`"
        )
