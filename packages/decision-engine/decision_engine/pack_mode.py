"""Mode of the marketplace pack; apart from the pack, as settings that name it need no engine."""

from enum import StrEnum


class PackMode(StrEnum):
    """What the pack's rules do beside a ruleset's own."""

    OFF = "off"
    SHADOW = "shadow"
    LIVE = "live"
