"""dbt's command line as order-batch runs it."""

import json

import pytest
from dbt_common.events.base_types import EventLevel, msg_from_base_event
from dbt_common.events.types import Note
from run_dbt import show


def test_events_are_lines_of_json_but_for_those_of_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    for level in EventLevel:
        show(msg_from_base_event(Note(msg=f"of level {level}"), level=level))
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    shown = {EventLevel.INFO, EventLevel.WARN, EventLevel.ERROR}
    expected = [(level.value, f"of level {level}") for level in EventLevel if level in shown]
    assert [(line["info"]["level"], line["info"]["msg"]) for line in lines] == expected
