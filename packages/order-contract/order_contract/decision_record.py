"""The record format of topic `decisions`: key and value of a stored order's decision."""

import orjson

from order_contract.decision import OrderRow


def decision_key(order_id: str) -> bytes:
    """The key of an order's decision."""
    return order_id.encode()


def encode_decision(row: OrderRow) -> bytes:
    """The value for a stored row: a pure function of it, so publishing again gives the same bytes."""
    return orjson.dumps(
        {
            "order_id": row.order_id,
            "user_id": row.user_id,
            "status": row.status,
            "outcome": row.outcome,
            "risk_score": row.risk_score,
            "hits": orjson.Fragment(row.hits),
            "features": orjson.Fragment(row.features),
            "ruleset_version": row.ruleset_version,
            "decided_at": row.decided_at,
            "topic": row.source_topic,
            "topic_epoch": row.source_epoch,
            "partition": row.source_partition,
            "offset": row.source_offset,
        },
        option=orjson.OPT_UTC_Z,
    )
