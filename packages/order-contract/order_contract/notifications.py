"""Channels of Postgres notifications; the triggers that notify them are created by the schema migrations."""

from typing import Final

RECORDED_CHANNEL: Final = "recorded"
"""Rows were inserted into `orders` or `stream_outcomes`; the payload is the table's name."""
CREDENTIALS_CHANNEL: Final = "credentials"
"""An API key or session has changed; the payload is `key ID`, or `session` and its token's hash in hex."""
RULESETS_CHANNEL: Final = "rulesets"
"""A ruleset version became active; the payload is the version."""
LISTS_CHANNEL: Final = "lists"
"""Entries of lists were changed; the payload is the number of the last change."""
