"""Settings of publishing rulesets, of the command line and of the API."""

from pydantic import Field

from decision_engine.pack_mode import PackMode
from order_platform.settings import ProcessSettings


class PackSettings(ProcessSettings):
    """What detectors add to the ruleset that is active."""

    marketplace_pack: PackMode = Field(
        PackMode.OFF, description="off, shadow or live: the rules of the marketplace pack beside the ruleset's own"
    )


class PublicationSettings(PackSettings):
    """What is checked before a ruleset is published, and watched afterwards."""

    publish_check_orders: int = Field(
        10_000, ge=0, le=1_000_000, description="how many of the last orders are decided again first; 0: none"
    )
    publish_changed_share: float = Field(
        0.05, ge=0, le=1, description="share of these with another outcome beyond which publishing wants a confirmation"
    )
    publish_approval: bool = Field(
        False, description="whether only drafts are published that a second person has approved"
    )
    publish_watch_seconds: int = Field(
        300, ge=1, le=3_600, description="how long the share of flagged orders is watched after publishing"
    )
    publish_watch_share: float = Field(
        0.02, gt=0, le=1, description="change of the share of flagged orders beyond which it is a jump"
    )
