"""Events of the stream: positions as ids, the wire format, and their documentation.

A position is the next offset of each partition, as a tuple and as the id of an event: (1234, 998, 0, 17) is
`0:1234,1:998,2:0,3:17`. The wire format is that of server-sent events (WHATWG HTML, 9.2); lines end with LF. An id
without data moves the place to resume from, and is not an event to a browser.
"""

import re
from typing import Any, Final, NamedTuple

import orjson

from order_api.orders.schemas import EXAMPLE

Position = tuple[int, ...]
"""The next offset of each partition, by partition number."""

# 18 digits fit into 64 bits.
ID_PATTERN: Final = r"[0-9]{1,5}:[0-9]{1,18}(?:,[0-9]{1,5}:[0-9]{1,18})*"
_ID = re.compile(ID_PATTERN)


def write_id(position: Position) -> str:
    """A position as an event's id."""
    return ",".join([f"{partition}:{offset}" for partition, offset in enumerate(position)])


def read_id(text: str) -> dict[int, int]:
    """Next offsets by partition; of a partition named twice the smaller. Raises ValueError for what is not an id."""
    if not _ID.fullmatch(text):
        raise ValueError("is not an event's id like 0:1234,1:998 (next offset by partition)")
    offsets: dict[int, int] = {}
    for pair in text.split(","):
        partition, offset = map(int, pair.split(":"))
        offsets[partition] = min(offset, offsets.get(partition, offset))
    return offsets


def covers(later: Position, earlier: Position) -> bool:
    """Whether `later` is nowhere before `earlier`."""
    return all(one >= other for one, other in zip(later, earlier, strict=True))


def furthest(one: Position, other: Position) -> Position:
    """The later of both in each partition."""
    return tuple(map(max, one, other))


DECISION_EVENT: Final = "decision"
RESET_EVENT: Final = "reset"
# When a client that lost its connection should reconnect.
RETRY_MS: Final = 2000

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


def decision_event(position: Position, value: bytes) -> bytes:
    """A decision, to the byte as it is on the topic; `position` is the one after it."""
    if b"\n" in value or b"\r" in value:  # the detector writes none, but JSON may have them
        value = b"\ndata: ".join(_LINE_BREAK.split(value))
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (write_id(position).encode(), DECISION_EVENT.encode(), value)


def retry_field() -> bytes:
    """What every stream begins with."""
    return b"retry: %d\n\n" % RETRY_MS


def position_event(position: Position) -> bytes:
    """Only where to resume."""
    return b"id: %b\n\n" % write_id(position).encode()


def reset_event(reason: str, position: Position) -> bytes:
    """The requested position is not there; the stream continues from `position`."""
    place_id = write_id(position)
    data = orjson.dumps({"reason": reason, "from": place_id})
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (place_id.encode(), RESET_EVENT.encode(), data)


class StreamEvent(NamedTuple):
    """An event as a client reads it; one without data only moves the position."""

    kind: str
    event_id: str
    data: bytes


def read_events(chunk: bytes) -> list[StreamEvent]:
    """The events of a chunk that a stream sent: it holds whole ones. For readers in this process."""
    events = []
    for block in chunk.split(b"\n\n"):
        fields: dict[bytes, list[bytes]] = {}
        for line in block.split(b"\n"):
            name, separator, value = line.partition(b": ")
            if separator and name:
                fields.setdefault(name, []).append(value)
        if b"id" in fields or b"data" in fields:
            kind = fields.get(b"event", [b""])[0].decode()
            event_id = fields.get(b"id", [b""])[0].decode()
            events.append(StreamEvent(kind, event_id, b"\n".join(fields.get(b"data", ()))))
    return events


def closing_comment(reason: str) -> bytes:
    """A comment that says why a stream ends."""
    return b": %b\n\n" % reason.encode()


_DECISION: Final = orjson.dumps(
    {
        **{name: EXAMPLE[name] for name in ("order_id", "user_id", "status", "outcome", "risk_score", "hits")},
        **{name: EXAMPLE[name] for name in ("features", "ruleset_version", "decided_at")},
        "topic": EXAMPLE["source"]["topic"],
        "topic_epoch": EXAMPLE["source"]["epoch"],
        "partition": EXAMPLE["source"]["partition"],
        "offset": EXAMPLE["source"]["offset"],
    }
)
EXAMPLE_EVENT: Final = {"event": DECISION_EVENT, "id": write_id((1234, 998, 1743, 17)), "data": _DECISION.decode()}

# OpenAPI 3.1 has no word for what a stream consists of: its readers take the schema to be that of each event.
EVENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "DecisionEvent",
    "type": "object",
    "description": "one event of the stream",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": [DECISION_EVENT, RESET_EVENT]},
        "id": {
            "type": "string",
            "pattern": f"^(?:{ID_PATTERN})$",
            "description": "next offset of every partition: where to resume",
        },
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "of `decision`, the value as on topic `decisions`; of `reset`, an object with `reason` and "
            "`from`, the id to resume with",
        },
        "retry": {"type": "integer", "description": "milliseconds after which to reconnect when the stream ended"},
    },
}
