"""Responses about labels."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_contract.label import Label, LabelReason

EXAMPLE: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "label": "fraud",
    "source": "analyst",
    "author": "dina (4be1f6a09c77)",
    "at": "2026-11-22T04:00:00.120Z",
    "note": "the card was stolen",
    "reason": "stolen-card",
    "origin": {"topic": "labels", "partition": 2, "offset": 17},
}


_STORED: Final[dict[str, Any]] = {**EXAMPLE, "recorded_at": "2026-11-22T04:00:00.150Z"}


class LabelOrigin(BaseModel):
    """Where on topic labels it is."""

    topic: str
    partition: int
    offset: int


class PublishedLabel(BaseModel):
    """A label as it was published."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    order_id: str
    label: Label
    source: Annotated[str, Field(description="what kind of process it comes from, such as `analyst` or `bank`")]
    author: Annotated[str | None, Field(description="the person or program")]
    at: Annotated[AwareDatetime, Field(description="when the verdict was made")]
    note: str | None
    reason: LabelReason | None
    origin: LabelOrigin


class StoredLabel(PublishedLabel):
    """A label as it is stored."""

    model_config = ConfigDict(json_schema_extra={"examples": [_STORED]})

    recorded_at: Annotated[AwareDatetime, Field(description="when it was stored")]


class LabelHistory(BaseModel):
    """The labels of an order, the current one first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"current": "fraud", "items": [_STORED]}]})

    current: Annotated[Label | None, Field(description="what the order's newest label says; null without labels")]
    items: Annotated[list[StoredLabel], Field(description="at most the newest 1,000")]
