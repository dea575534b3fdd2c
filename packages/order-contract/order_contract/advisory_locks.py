"""Advisory locks of Postgres: each has its own number, as one who asks for a number waits for all who hold it."""

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """What is done by one process at a time."""

    MIGRATION = 0x4F57
    STORING = 0x4F58
    """Held shared while orders are stored, and alone while dates are retired: `storable_from` and `move_retention`."""
    TOPIC_EPOCHS = 0x4F5A
    """To number the creations of a topic."""
    RULESETS = 0x4F5B
    """To activate a ruleset version."""
    LISTS = 0x4F5C
    """To change lists, so that the numbers of changes rise in the sequence of commits."""
    LOADS = 0x4F59
    """Held shared by loads into the warehouse, and alone while dates are frozen."""
    CATALOG = 0x4F5D
    """To fill the catalog of users and products."""
    MARTS = 0x4F5E
    """To publish marts."""
    REVIEW_ROUTES = 0x4F5F
    """To replace the routes of the review queue."""
