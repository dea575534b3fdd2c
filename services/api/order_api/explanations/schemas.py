"""Responses about an order's explanation and message."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.what_if.schemas import EXAMPLE as WHAT_IF
from order_api.what_if.schemas import Change, RuleResult

_EXPLANATION: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "ruleset_version": "0b9a3a1c52f7d6e4",
    "review_at": 50,
    "decline_at": 80,
    "agrees": True,
    "fingerprint": "5f0c9d1be2a84c775f0c9d1be2a84c77",
    "rules": WHAT_IF["rules"],
    "changes": WHAT_IF["changes"],
}
_MESSAGE: Final[dict[str, Any]] = {
    "order_id": "0193f7c2-5d1e-7c44-9a31-6f0a4a2f9b10",
    "topic": "orders",
    "epoch": 1,
    "partition": 2,
    "offset": 1742,
    "missing": None,
    "appended_at": "2026-11-22T03:15:00.002Z",
    "key": "U-1042",
    "headers": [],
    "bytes": 21,
    "encoding": "utf-8",
    "value": '{"order_id":"INV-17"}',
    "is_cut": False,
}


class Explanation(BaseModel):
    """What each rule of the ruleset that decided an order saw, and what would have changed the outcome."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXPLANATION]})

    order_id: str
    ruleset_version: Annotated[str, Field(description="of the ruleset that decided the order")]
    review_at: Annotated[int, Field(description="the risk score from which an order is reviewed")]
    decline_at: Annotated[int, Field(description="the risk score from which an order is declined")]
    agrees: Annotated[bool, Field(description="whether the stored values, decided now, give the stored decision again")]
    fingerprint: Annotated[str, Field(description="of the order's content: a duplicate has the same")]
    rules: Annotated[list[RuleResult], Field(description="in the order of the ruleset, with those that are off")]
    changes: Annotated[
        list[Change], Field(description="at most 20; features of earlier orders are kept as they were stored")
    ]


class MessageHeader(BaseModel):
    """A header of a message."""

    name: str
    value: str


class OrderMessage(BaseModel):
    """The message of an order on its topic."""

    model_config = ConfigDict(json_schema_extra={"examples": [_MESSAGE]})

    order_id: str
    topic: str
    epoch: Annotated[int, Field(description="which topic of that name: one more each time that it was created again")]
    partition: int
    offset: int
    missing: Annotated[
        str | None, Field(description="why the message is not on the topic any more; what follows is null then")
    ]
    appended_at: AwareDatetime | None
    key: str | None
    headers: list[MessageHeader] | None
    bytes: Annotated[int | None, Field(description="how many the message has")]
    encoding: Annotated[str | None, Field(description="of `value`: `utf-8` or `base64`")]
    value: str | None
    is_cut: Annotated[bool | None, Field(description="whether `value` is only the beginning of the message")]
