"""Responses about backtests."""

from typing import Annotated, Any, Final

import orjson
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_backtests.repository import State

_BACKTEST: Final[dict[str, Any]] = {
    "id": 17,
    "state": "running",
    "author": "fraud team (3f9c0a7be412)",
    "ruleset": {"name": "draft", "version": "0b9a3a1c52f7d6e4"},
    "against": None,
    "from": "2026-10-31T17:00:00Z",
    "to": "2026-11-20T17:00:00Z",
    "requested_at": "2026-11-22T03:15:00.014512Z",
    "started_at": "2026-11-22T03:15:00.320081Z",
    "ended_at": None,
    "orders": 1_200_000,
    "decided": 410_000,
    "error": None,
}


class TriedRuleset(BaseModel):
    """A ruleset of a backtest: its version, and where it is from."""

    name: Annotated[str, Field(description="`draft`, or the stored version")]
    version: str


class BacktestSummary(BaseModel):
    """A backtest, and how far it has come."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BACKTEST]})

    id: int
    state: State
    author: str
    ruleset: TriedRuleset
    against: Annotated[TriedRuleset | None, Field(description="null: what was decided then")]
    since: Annotated[AwareDatetime, Field(alias="from")]
    until: Annotated[AwareDatetime, Field(alias="to")]
    requested_at: AwareDatetime
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    orders: Annotated[int | None, Field(description="to decide; null before it is known")]
    decided: int
    error: Annotated[str | None, Field(description="of one that failed")]


class BacktestWithReport(BacktestSummary):
    """A backtest with its report."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**_BACKTEST, "report": None}]})

    report: Annotated[
        dict[str, Any] | None,
        Field(description="as `fraud-detector backtest --report json` prints it, without reasons of hits"),
    ]


class BacktestPage(BaseModel):
    """Backtests, newest first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"items": [_BACKTEST], "next": None}]})

    items: list[BacktestSummary]
    next: Annotated[str | None, Field(description="cursor of the next page; null on the last one")]


EVENT_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "description": "events named `progress`, whose data is the backtest as JSON; the last one has a state of its end",
}
EXAMPLE_EVENT: Final = f"event: progress\ndata: {orjson.dumps(_BACKTEST).decode()}\n\n"


def progress_event(document: dict[str, Any]) -> bytes:
    """How far a backtest has come, as a server-sent event."""
    return b"event: progress\ndata: %b\n\n" % orjson.dumps(document, option=orjson.OPT_UTC_Z)
