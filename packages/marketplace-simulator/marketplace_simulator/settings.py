"""Settings of the simulated world."""

from pydantic import Field

from order_platform.settings import ProcessSettings


class WorldSettings(ProcessSettings):
    """The producer and the catalog need the same seed; both use the default unless it is set."""

    world_seed: int = Field(0, description="seed of users, products and prices; the same for producer and catalog")
