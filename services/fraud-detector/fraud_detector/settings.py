"""Settings of the detector, from `ORDERWATCH_*`."""

from pathlib import Path

from pydantic import Field

from order_backtests.publication.settings import PackSettings
from order_platform.event_settings import EventSettings
from order_platform.setting_types import FilePath, Port
from order_platform.settings import DatabaseSettings, KafkaSettings


class RulesetSettings(PackSettings):
    """Which ruleset decides."""

    rules: FilePath | None = Field(None, description="YAML file of rules; the active version when left out")


class DetectorSettings(RulesetSettings, EventSettings, KafkaSettings, DatabaseSettings):
    """All settings of one detector process."""

    detector_host: str = "127.0.0.1"
    detector_port: Port = Field(0, description="health and metrics; 0 takes any free port")
    drain_seconds: float = Field(15.0, gt=0, description="budget for finishing what was read, at a stop or rebalance")
    batch_messages: int = Field(10_000, ge=1, description="largest batch that is stored at once")
    history_memory: int = Field(
        1_000, ge=1, description="megabytes that histories may take; windows become shorter rather than take more"
    )
    snapshots: Path | None = Field(
        None,
        description="directory for snapshots of the histories, from which a detector starts, and for records of the "
        "members of its groups; one of this machine's own; none when left out",
    )
    snapshot_seconds: float = Field(60.0, ge=1, description="time between two snapshots")
    accept_lost_offsets: bool = Field(False, description="resume where messages are gone from the topic, gap recorded")
    dead_letter_limit_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="stop beyond this share of bad data in the last 1,000 messages; off by default",
    )
    dead_letter_limit_run: int | None = Field(
        None,
        ge=1,
        description="stop beyond so many bad messages in a row of a partition; off by default",
    )
