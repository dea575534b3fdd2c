"""Response of `/v1/stats`."""

from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from order_api.kit.totals import Amounts, OutcomeCounts

EXAMPLE: Final[dict[str, Any]] = {
    "from": "2026-11-21T03:15:00Z",
    "to": "2026-11-22T03:15:00Z",
    "computed_at": "2026-11-22T03:15:00.120Z",
    "orders": 86_400,
    "flagged": 3_110,
    "flagged_share": 0.036,
    "by_outcome": {"approve": 83_290, "review": 2_410, "decline": 700},
    "by_status": {"genuine": 83_290, "fraud": 3_110},
    "hits_by_rule": [{"rule": "foreign-country", "orders": 1_204}],
    "amounts": [{"currency": "IDR", "total": 51_320_400_000, "flagged": 9_870_000_000}],
    "most_flagged_users": [{"user_id": "U-1042", "flagged": 12}],
    "stream": {
        "duplicates": 4,
        "conflicts": 1,
        "dead_letters": 17,
        "lag": 3,
        "partitions": [{"partition": 0, "beginning": 0, "committed": 21_611, "end": 21_614, "lag": 3}],
        "detectors": [{"host": "10.0.0.7", "partitions": [0]}],
    },
}


class StatusCounts(BaseModel):
    """Orders by status."""

    genuine: int
    fraud: int


class RuleHits(BaseModel):
    """Orders that a rule hit, shadow rules too."""

    rule: str
    orders: int


class FlaggedUser(BaseModel):
    """A user and how many of their orders were flagged."""

    user_id: str
    flagged: int


class StreamPartition(BaseModel):
    """One partition of the orders topic, as far as the detector has come."""

    partition: int
    beginning: Annotated[int, Field(description="the oldest offset that is kept")]
    committed: Annotated[int | None, Field(description="where the detector resumes; null when it never committed")]
    end: Annotated[int, Field(description="the offset that the next message gets")]
    lag: Annotated[int, Field(description="messages that wait for the detector")]


class RunningDetector(BaseModel):
    """A detector that is connected to the broker."""

    host: Annotated[str, Field(description="the address that it is connected from")]
    partitions: Annotated[list[int], Field(description="those that it reads; none while partitions are distributed")]


class StreamStats(BaseModel):
    """The stream as a whole, whatever the window."""

    duplicates: Annotated[int, Field(description="messages that repeated an order as it was stored")]
    conflicts: Annotated[int, Field(description="messages that repeated an order id with other content")]
    dead_letters: Annotated[int, Field(description="messages that were bad data")]
    lag: Annotated[int | None, Field(description="messages that wait for the detector; null when Kafka is unavailable")]
    partitions: list[StreamPartition] | None
    detectors: Annotated[list[RunningDetector] | None, Field(description="null when Kafka is unavailable")]


class Stats(BaseModel):
    """Orders created in a window, counted and added up, and the stream as it is now."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"examples": [EXAMPLE]})

    start: Annotated[AwareDatetime, Field(alias="from")]
    end: Annotated[AwareDatetime, Field(alias="to")]
    computed_at: Annotated[AwareDatetime, Field(description="a response that was costly is kept for a few seconds")]
    orders: int
    flagged: int
    flagged_share: Annotated[float, Field(ge=0, le=1)]
    by_outcome: OutcomeCounts
    by_status: StatusCounts
    hits_by_rule: Annotated[list[RuleHits], Field(description="most frequent first")]
    amounts: Annotated[list[Amounts], Field(description="by currency")]
    most_flagged_users: list[FlaggedUser]
    stream: StreamStats
