"""Raw tables of the warehouse: written by the loads, and read by dbt as its source `raw`.

The single description: BigQuery's schema and DuckDB's DDL are derived from it, and dbt's sources are tested against it.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A column's type, by its name in BigQuery. JSON documents are strings that hold JSON text."""

    STRING = "STRING"
    INTEGER = "INT64"
    TIMESTAMP = "TIMESTAMP"
    DATE = "DATE"


class Span(StrEnum):
    """How much time a partition holds."""

    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `required` admits no null."""

    name: str
    kind: Kind
    description: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A raw table. A load replaces one partition, which is all rows of a span of `partition_column`.

    `columns` are the content, which is hashed and compared. The sum of column `amount` shows, beside the number of
    rows, whether a load is complete. Where `requires_filter` is set, BigQuery refuses queries that do not say which
    partitions they read.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    partition_column: str
    span: Span
    clustering: tuple[str, ...]
    amount: str | None = None
    requires_filter: bool = False

    @property
    def column_list(self) -> str:
        """The columns of the content, as a SELECT lists them."""
        return ", ".join(column.name for column in self.columns)

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that the warehouse has: the content, and behind it the hash of it."""
        return (*self.columns, ROW_HASH)


def _text(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name, Kind.STRING, description, required)


def _integer(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name, Kind.INTEGER, description, required)


def _moment(name: str, description: str, *, required: bool = True) -> Column:
    return Column(name, Kind.TIMESTAMP, description, required)


ROW_HASH = _integer("row_hash", "content hash of the row by Postgres, null where it is not known", required=False)
"""So that a build need not compute it again. Raw tables are never compared by it, but by what their columns hold."""

_BUSINESS_DATE = Column("business_date", Kind.DATE, "date of created_date in the business time zone")

ORDERS = Table(
    "orders",
    "Orders with their decisions, as the stream stored them: one row per order.",
    (
        _BUSINESS_DATE,
        _text("order_id", "key"),
        _text("user_id", "who ordered"),
        _text("product_id", "what was ordered"),
        _integer("quantity", "pieces"),
        _integer("amount", "in the currency's everyday smallest unit (whole rupiah)"),
        _text("currency", "ISO 4217"),
        _text("payment_method", "canonical spelling"),
        _text("country", "ISO 3166 alpha-2"),
        _moment("created_date", "when the order was placed"),
        _text("device_id", "device, if known", required=False),
        _text("ip_address", "IP address, if known", required=False),
        _text("voucher_code", "voucher, if any", required=False),
        _text("email", "contact, if given", required=False),
        _text("shipping_country", "ISO 3166 alpha-2, if given", required=False),
        _moment("account_created_date", "when the account was made, if known", required=False),
        _text("attributes", "all other fields of the event, JSON", required=False),
        _text("status", "fraud or genuine"),
        _text("outcome", "approve, review or decline"),
        _integer("risk_score", "0 to 100"),
        _text("ruleset_version", "version of the rules that decided"),
        _moment("decided_at", "when it was decided"),
        _integer("source_partition", "partition of the topic that it came from"),
        _integer("source_offset", "offset in it"),
        _moment("appended_at", "when the broker took it"),
        _moment("stored_at", "when it was stored"),
        # At the end and nullable, so that they can be added to a warehouse of an earlier release. There they are null
        # until a date is loaded again.
        _text("source_topic", "topic that it came from", required=False),
        _integer("source_epoch", "which creation of the topic, from 1", required=False),
        _text("features", "values of the features that the rules saw, JSON", required=False),
        _text("seen", "next offsets of orders and labels that the features had seen, hexadecimal", required=False),
        _integer("lists_seen", "number of the last change of lists that was in force", required=False),
    ),
    partition_column="business_date",
    span=Span.DAY,
    clustering=("user_id", "product_id"),
    amount="amount",
    requires_filter=True,
)

RULE_HITS = Table(
    "rule_hits",
    "Rules that fired: one row per order and rule.",
    (
        _BUSINESS_DATE,
        _text("order_id", "the order"),
        _text("rule", "id of the rule; with order_id the key"),
        _text("severity", "low, medium, high or critical"),
        _integer("score", "0 to 100"),
        _text("mode", "live; shadow or snoozed when recorded without effect"),
        _text("reason", "the sentence for a person"),
        _integer("hit_number", "place among the hits of the order, from 1", required=False),
    ),
    partition_column="business_date",
    span=Span.DAY,
    clustering=("rule",),
    amount="score",
    requires_filter=True,
)

LABELS = Table(
    "labels",
    "Labels of orders, by the date on which they came: one row per label event.",
    (
        Column("business_date", Kind.DATE, "date of appended_at in the business time zone"),
        _text("order_id", "the order; it may have several labels, or not be known"),
        _text("label", "fraud, legitimate or chargeback"),
        _text("source", "what kind of process it comes from"),
        _moment("labelled_at", "when the verdict was made"),
        _moment("appended_at", "when the broker took it"),
        _text("source_topic", "topic that it came from"),
        _integer("source_epoch", "which creation of the topic, from 1"),
        _integer("source_partition", "partition of the topic"),
        _integer("source_offset", "offset in it; the highest of an order's labels is its current one"),
        _text("reason", "why it got the label, such as stolen-card, if given", required=False),
    ),
    partition_column="business_date",
    span=Span.DAY,
    clustering=("order_id",),
)

USERS = Table(
    "users",
    "Versions of users: one row each time that a user was registered or changed.",
    (
        Column("changed_date", Kind.DATE, "date of valid_from in the business time zone"),
        _text("user_id", "the user"),
        _moment("valid_from", "since when this version holds; with user_id the key"),
        _text("first_name", "given name"),
        _text("last_name", "family name"),
        _text("email", "address"),
        _text("default_payment", "payment method used unless another is chosen"),
        _text("city", "where the user lives"),
        _moment("created_date", "when the user registered"),
    ),
    partition_column="changed_date",
    span=Span.MONTH,
    clustering=("user_id",),
)

PRODUCTS = Table(
    "products",
    "Versions of products: one row each time that a product was introduced or its price changed.",
    (
        Column("changed_date", Kind.DATE, "date of valid_from in the business time zone"),
        _text("product_id", "the product"),
        _moment("valid_from", "since when this version holds; with product_id the key"),
        _text("product_name", "name"),
        _text("category", "Electronics, Office Tools or Non-Fiction Books"),
        _integer("price", "whole rupiah"),
        _moment("created_date", "when the product was introduced"),
    ),
    partition_column="changed_date",
    span=Span.MONTH,
    clustering=("product_id",),
    amount="price",
)

TABLES = (ORDERS, RULE_HITS, LABELS, USERS, PRODUCTS)
