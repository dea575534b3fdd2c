"""Builds for tests that leave out what costs a third of dbt's CPU time and what most tests do not read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from dbt.artifacts.resources.v1.config import NodeConfig
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import BaseEvent, EventLevel
from dbt_common.events.event_manager import EventManager


@contextmanager
def without_debug_events() -> Iterator[None]:
    """No message is made of dbt's debug events, of which a build has 1,500, when nothing prints them."""
    fire_event = EventManager.fire_event

    def fire_others(manager: EventManager, event: BaseEvent, level: EventLevel | None = None, **options: Any) -> None:
        if (level or event.level_tag()) != EventLevel.DEBUG:
            fire_event(manager, event, level, **options)

    with patch.object(EventManager, "fire_event", fire_others):
        yield


def leave_out_comments(manifest: Manifest) -> None:
    """Let builds of the project write no descriptions of tables and columns into the warehouse."""
    for node in manifest.nodes.values():
        if isinstance(node.config, NodeConfig):
            node.config.persist_docs = {}
