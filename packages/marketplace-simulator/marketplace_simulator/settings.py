"""Which world a process lives in."""

from pydantic import Field

from order_platform.settings import ProcessSettings


class WorldSettings(ProcessSettings):
    """The producer and the catalog must be told the same seed; with the default they agree unasked."""

    world_seed: int = Field(0, description="seed of users, products and prices; the same for producer and catalog")
