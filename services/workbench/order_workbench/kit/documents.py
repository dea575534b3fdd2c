"""Documents of the API's services as plain values, for templates."""

from typing import Any

import orjson


def plain(document: object) -> Any:
    """A document with JSON that is passed on as it is stored, parsed; times become RFC 3339 text in UTC."""
    return orjson.loads(orjson.dumps(document, option=orjson.OPT_UTC_Z))
