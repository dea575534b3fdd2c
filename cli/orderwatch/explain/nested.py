"""A decision's JSON taken apart, so that `hits.foreign-country.score` can differ rather than a line of JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from order_contract.decision import OrderRow

_JSON_COLUMNS = ("hits", "features")


def stored_features(row: OrderRow) -> dict[str, Any]:
    """The features by name; none when the column holds something else, as nothing of ours would write."""
    features = orjson.loads(row.features)
    return features if isinstance(features, dict) else {}


def stored_hits(row: OrderRow) -> list[dict[str, Any]]:
    """The hits; none when the column holds something else."""
    hits = orjson.loads(row.hits)
    return [hit for hit in hits if isinstance(hit, dict)] if isinstance(hits, list) else []


def from_columns(columns: Mapping[str, Any]) -> dict[str, object]:
    """Columns of table `orders` with their JSON parsed, and hits by rule."""
    return from_fields(
        {name: orjson.loads(value) if name in _JSON_COLUMNS else value for name, value in columns.items()}
    )


def from_fields(fields: Mapping[str, Any]) -> dict[str, object]:
    """The fields of a decision with its hits by rule; hits that are none of ours are left as they are."""
    hits = fields.get("hits")
    if not isinstance(hits, list) or not all(isinstance(hit, dict) and "rule" in hit for hit in hits):
        return dict(fields)
    return {**fields, "hits": {hit["rule"]: {name: hit[name] for name in hit if name != "rule"} for hit in hits}}
