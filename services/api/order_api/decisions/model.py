"""What the documentation says of the stream: its events, with an example."""

from typing import Any, Final

import orjson

from order_api.decisions.position import ID_PATTERN, write_id
from order_api.orders.model import EXAMPLE

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
EXAMPLE_EVENT: Final = {"event": "decision", "id": write_id((1234, 998, 1743, 17)), "data": _DECISION.decode()}

# OpenAPI 3.1 has no word for what a stream consists of: its readers take the schema to be that of each event.
EVENT_SCHEMA: Final[dict[str, Any]] = {
    "title": "DecisionEvent",
    "type": "object",
    "description": "one event of the stream",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["decision", "reset"]},
        "id": {
            "type": "string",
            "pattern": f"^(?:{ID_PATTERN})$",
            "description": "next offset of every partition: where to go on",
        },
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "of `decision`, the value as on topic `decisions`; of `reset`, an object with `reason` and "
            "`from`, the id to go on with",
        },
        "retry": {"type": "integer", "description": "milliseconds after which to come back when the stream ended"},
    },
}
