"""The database roles, one per kind of process, and what each may do: the matrix that `orderwatch migrate` applies.

A table, view or function that a migration creates needs an entry here, even when only its owner may use it: a
test fails without one. Pure: applying it is migrations/grants.py.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class DatabaseRole(StrEnum):
    """A role to log in with. None of them is superuser, or may create roles or databases."""

    MIGRATOR = "orderwatch_migrator"
    """Owns the database and its schema; used by `orderwatch migrate`, and to remove old orders."""
    DETECTOR = "orderwatch_detector"
    API = "orderwatch_api"
    BATCH = "orderwatch_batch"
    READER = "orderwatch_reader"
    """For people who query: `orderwatch reconcile`, `orderwatch explain`, their own SQL."""
    OPERATOR = "orderwatch_operator"
    """For people who administer: reads what READER reads, redrives dead letters and manages API keys."""
    AIRFLOW = "orderwatch_airflow"
    """Owns Airflow's own database; may not connect to Orderwatch's."""


Privileges = Mapping[DatabaseRole, str]
"""By role: privileges as SQL names them, comma separated. The owner, MIGRATOR, needs no entry."""

_READERS: Final[Privileges] = dict.fromkeys((DatabaseRole.READER, DatabaseRole.OPERATOR), "select")
_EVERY_PROCESS: Final = (
    DatabaseRole.DETECTOR,
    DatabaseRole.API,
    DatabaseRole.BATCH,
    DatabaseRole.READER,
    DatabaseRole.OPERATOR,
)

# The staging tables of the detector and of the catalog are temporary.
DATABASE: Final[Privileges] = {
    **dict.fromkeys(_EVERY_PROCESS, "connect"),
    DatabaseRole.DETECTOR: "connect, temporary",
    DatabaseRole.BATCH: "connect, temporary",
}

SCHEMAS: Final[Mapping[str, Privileges]] = {
    "public": dict.fromkeys(_EVERY_PROCESS, "usage"),
    # The batch side replaces the tables in it at each publication, and owns them.
    "marts": {
        DatabaseRole.BATCH: "usage, create",
        **dict.fromkeys((DatabaseRole.API, DatabaseRole.READER, DatabaseRole.OPERATOR), "usage"),
    },
}

# Tables and views of schema public.
RELATIONS: Final[Mapping[str, Privileges]] = {
    "alembic_version": {**_READERS},
    "orders": {
        DatabaseRole.DETECTOR: "select, insert",
        DatabaseRole.API: "select",
        DatabaseRole.BATCH: "select",
        **_READERS,
    },
    "labels": {
        DatabaseRole.DETECTOR: "select, insert",
        **dict.fromkeys((DatabaseRole.API, DatabaseRole.BATCH), "select"),
        **_READERS,
    },
    "stream_outcomes": {DatabaseRole.DETECTOR: "select, insert", DatabaseRole.API: "select", **_READERS},
    "stream_gaps": {DatabaseRole.DETECTOR: "select, insert", DatabaseRole.API: "select", **_READERS},
    "topic_epochs": {
        DatabaseRole.DETECTOR: "select, insert, update",
        DatabaseRole.API: "select",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert",
    },
    "group_positions": {
        DatabaseRole.DETECTOR: "select, insert, update",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert, update",
    },
    # Of what changes lists, labels and rulesets. A trigger refuses updates and deletions, also by the owner.
    "audit_log": {
        DatabaseRole.API: "select, insert",
        DatabaseRole.DETECTOR: "insert",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert",
    },
    "audit_log_id_seq": {},
    "rulesets": {
        DatabaseRole.DETECTOR: "select, insert",
        DatabaseRole.API: "select, insert",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert",
    },
    # Appended to by detectors for the first version, and by people who publish, also by the API.
    "ruleset_activations": {
        DatabaseRole.DETECTOR: "select, insert",
        DatabaseRole.API: "select, insert",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert",
    },
    "ruleset_activations_activation_seq": {},
    "ruleset_drafts": {
        DatabaseRole.API: "select, insert, update, delete",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert, update, delete",
    },
    # A detector creates the lists that its ruleset declares; entries are for people to change.
    "lists": {
        **dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.API, DatabaseRole.OPERATOR), "select, insert"),
        DatabaseRole.READER: "select",
    },
    "list_changes": {
        **dict.fromkeys((DatabaseRole.API, DatabaseRole.OPERATOR), "select, insert"),
        **dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.READER), "select"),
    },
    "list_entries": {
        **dict.fromkeys((DatabaseRole.API, DatabaseRole.OPERATOR), "select, insert, update"),
        **dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.READER), "select"),
    },
    # A detector's label closes a review, and its flagged order enters the intake: both by triggers.
    "reviews": {
        DatabaseRole.DETECTOR: "select, update",
        DatabaseRole.API: "select, insert, update",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert",
    },
    "open_reviews": {DatabaseRole.API: "select", **_READERS},
    "review_intake": {
        DatabaseRole.DETECTOR: "insert",
        DatabaseRole.API: "select, update, delete",
        **_READERS,
    },
    "review_routes": {DatabaseRole.API: "select, insert, delete", **_READERS},
    "active_review_routes": {**dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.API), "select"), **_READERS},
    "notes": {DatabaseRole.API: "select, insert", **_READERS},
    "notes_id_seq": {},
    "saved_searches": {DatabaseRole.API: "select, insert, update, delete"},
    "backtests": {DatabaseRole.API: "select, insert, update, delete", **_READERS},
    "backtests_id_seq": {},
    "api_keys": {
        DatabaseRole.API: "select, insert, update",
        DatabaseRole.OPERATOR: "select, insert, update",
    },
    "sign_in_codes": {
        **dict.fromkeys((DatabaseRole.API, DatabaseRole.OPERATOR), "select, insert, delete"),
    },
    "api_sessions": {DatabaseRole.API: "select, insert, update, delete"},
    "redrives": {
        DatabaseRole.API: "select, insert, update",
        DatabaseRole.READER: "select",
        DatabaseRole.OPERATOR: "select, insert, update",
    },
    "redrive_outcomes": {DatabaseRole.API: "select", **_READERS},
    "dead_letters": {DatabaseRole.API: "select", **_READERS},
    "users": {DatabaseRole.BATCH: "select, insert", **_READERS},
    "products": {DatabaseRole.BATCH: "select, insert", **_READERS},
    # Written by the owner alone: orders are removed, and users erased, as MIGRATOR.
    "erasures": {DatabaseRole.BATCH: "select", **_READERS},
    "retention": {
        **dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.API, DatabaseRole.BATCH), "select"),
        **_READERS,
    },
    "retired_offsets": {
        **dict.fromkeys((DatabaseRole.DETECTOR, DatabaseRole.API, DatabaseRole.BATCH), "select"),
        **_READERS,
    },
    "warehouse_loads": {DatabaseRole.BATCH: "select, insert, update, delete", **_READERS},
    "quality_alerts": {DatabaseRole.BATCH: "select, insert", **_READERS},
    "published_partitions": {
        DatabaseRole.BATCH: "select, insert, update, delete",
        DatabaseRole.API: "select",
        **_READERS,
    },
    "published_marts": {
        DatabaseRole.BATCH: "select, insert, update, delete",
        DatabaseRole.API: "select",
        **_READERS,
    },
}

# Functions of schema public, with their arguments' types. A trigger's function needs no privilege to be fired.
FUNCTIONS: Final[Mapping[str, Privileges]] = {
    "notify_recorded()": {},
    "notify_credentials()": {},
    "notify_rulesets()": {},
    "storable_from()": {DatabaseRole.DETECTOR: "execute"},
    "seen_offsets(seen bytea, own_partition integer, own_offset bigint)": dict.fromkeys(_EVERY_PROCESS, "execute"),
    "seen_labels(seen bytea, OUT epoch integer, OUT offsets bigint[])": dict.fromkeys(_EVERY_PROCESS, "execute"),
    "skip_erased_users()": {},
    "refuse_audit_change()": {},
    "notify_lists()": {},
    "move_retention(before date)": {},
    "retire_orders(most integer)": {},
    "note_flagged_order()": {},
    "close_review()": {},
    "route_flagged_orders(most integer)": {DatabaseRole.API: "execute"},
}

# Who reads the tables of schema marts; the batch side grants it on each table that it publishes.
MART_READERS: Final = (DatabaseRole.API, DatabaseRole.READER, DatabaseRole.OPERATOR)
