"""Orders with their decisions, the other outcomes of consumed messages, rulesets, API keys."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table orders (
        order_id text primary key,
        user_id text not null,
        product_id text not null,
        quantity bigint not null,
        amount bigint not null,
        currency text not null,
        payment_method text not null,
        country text not null,
        created_date timestamptz not null,
        device_id text,
        ip_address text,
        voucher_code text,
        email text,
        shipping_country text,
        account_created_date timestamptz,
        attributes json,
        status text not null check (status in ('fraud', 'genuine')),
        outcome text not null check (outcome in ('approve', 'review', 'decline')),
        risk_score smallint not null check (risk_score between 0 and 100),
        hits json not null,
        rule_ids text[],
        features json not null,
        ruleset_version text not null,
        decided_at timestamptz not null,
        source_partition integer not null,
        source_offset bigint not null,
        appended_at timestamptz not null,
        stored_at timestamptz not null default now(),
        check ((status = 'fraud') = (outcome <> 'approve'))
    )
    """,
    "comment on table orders is 'One row per order: the event, its decision, and where on topic orders it came from.'",
    "comment on column orders.amount is 'In the everyday smallest unit of currency; whole rupiah for IDR.'",
    "comment on column orders.hits is 'The rules that fired: rule, severity, score, mode, reason.'",
    "comment on column orders.rule_ids is 'Ids of the rules in hits, null when there are none: what filters look at.'",
    "create index orders_by_time on orders (created_date desc, order_id desc)",
    # What an analyst follows a fraud by. Each costs as much as deciding an order does: the figures are in
    # docs/decisions/0002-writing-orders.md.
    "create index orders_by_user on orders (user_id, created_date desc, order_id desc)",
    "create index orders_by_device on orders (device_id, created_date desc, order_id desc) where device_id is not null",
    "create index orders_by_ip on orders (ip_address, created_date desc, order_id desc) where ip_address is not null",
    "create index orders_flagged on orders (created_date desc, order_id desc) where outcome <> 'approve'",
    """
    create table stream_outcomes (
        topic text not null,
        partition integer not null,
        "offset" bigint not null,
        outcome text not null check (outcome in ('duplicate', 'conflict', 'dead-letter')),
        order_id text,
        error_type text,
        error text,
        recorded_at timestamptz not null default now(),
        primary key (topic, partition, "offset")
    )
    """,
    "comment on table stream_outcomes is 'Consumed messages that did not become a row of orders, one row each.'",
    "create index stream_outcomes_by_order on stream_outcomes (order_id) where order_id is not null",
    """
    create table stream_gaps (
        topic text not null,
        partition integer not null,
        first_offset bigint not null,
        next_offset bigint not null check (next_offset > first_offset),
        reason text not null,
        recorded_at timestamptz not null default now(),
        primary key (topic, partition, first_offset)
    )
    """,
    "comment on table stream_gaps is 'Offset ranges that hold no message for us: retention, transaction markers.'",
    """
    create table rulesets (
        version text primary key,
        content text not null,
        first_used_at timestamptz not null default now()
    )
    """,
    "comment on table rulesets is 'Every ruleset that decided an order, by the hash of its content.'",
    """
    create table api_keys (
        key_id text primary key,
        name text not null,
        role text not null check (role in ('read', 'review', 'admin')),
        key_hash bytea not null unique,
        created_at timestamptz not null default now(),
        revoked_at timestamptz
    )
    """,
    "comment on table api_keys is 'API keys; only the SHA-256 of a key is kept, the key itself is 256 random bits.'",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("orders are not thrown away by a migration; restore a backup instead")
