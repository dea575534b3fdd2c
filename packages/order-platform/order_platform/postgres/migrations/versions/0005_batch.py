"""The batch side: the catalog's versions, what was loaded into a warehouse, and the published marts."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    create table users (
        user_id text not null,
        valid_from timestamptz not null,
        first_name text not null,
        last_name text not null,
        email text not null,
        default_payment text not null,
        city text not null,
        created_date timestamptz not null,
        recorded_at timestamptz not null default now(),
        primary key (user_id, valid_from)
    )
    """,
    "comment on table users is 'Versions of users; the newest valid_from of a user is how it stands now.'",
    "create index users_valid_from on users (valid_from)",
    """
    create table products (
        product_id text not null,
        valid_from timestamptz not null,
        product_name text not null,
        category text not null,
        price bigint not null check (price >= 0),
        created_date timestamptz not null,
        recorded_at timestamptz not null default now(),
        primary key (product_id, valid_from)
    )
    """,
    "comment on table products is 'Versions of products; the newest valid_from of a product is how it stands now.'",
    "create index products_valid_from on products (valid_from)",
    """
    create table warehouse_loads (
        warehouse text not null,
        table_name text not null,
        partition_start date not null,
        rows bigint not null,
        amount numeric,
        newest timestamptz,
        loaded_at timestamptz not null default now(),
        primary key (warehouse, table_name, partition_start)
    )
    """,
    """
    comment on table warehouse_loads is
        'What each partition held in Postgres when it was loaded last; one that holds something else now is dirty.'
    """,
    """
    create table published_marts (
        name text primary key,
        description text not null,
        rows bigint not null,
        publication uuid not null,
        published_at timestamptz not null default now()
    )
    """,
    "comment on table published_marts is 'The tables of schema marts; publication changes when their rows may have.'",
    "create schema marts",
    "comment on schema marts is 'The warehouse''s gold tables, published after each build; the API reads these.'",
)


def upgrade() -> None:
    """Make tables and schema."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Drop them; the world and the warehouse can fill them again."""
    op.execute("drop schema marts cascade")
    for table in ("published_marts", "warehouse_loads", "products", "users"):
        op.execute(f"drop table {table}")
