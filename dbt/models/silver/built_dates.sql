{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
    )
}}

-- Written after all tables, and after the views that are read to publish them, and so after their tests: a model waits
-- for the tests of all that it depends on.
-- depends_on: {{ ref('agg_daily_payment_hour_orders') }}
-- depends_on: {{ ref('agg_daily_product_payment_orders') }}
-- depends_on: {{ ref('agg_daily_rule_hits') }}
-- depends_on: {{ ref('agg_daily_user_orders') }}
-- depends_on: {{ ref('agg_daily_user_product_orders') }}
-- depends_on: {{ ref('agg_monthly_product_payment_orders') }}
-- depends_on: {{ ref('agg_monthly_user_orders') }}
-- depends_on: {{ ref('dim_dates') }}
-- depends_on: {{ ref('dim_payment_methods') }}
-- depends_on: {{ ref('int_labelled_orders') }}
-- depends_on: {{ ref('int_order_versions') }}
-- depends_on: {{ ref('int_product_names_by_date') }}
-- depends_on: {{ ref('int_product_payment_methods_by_date') }}
-- depends_on: {{ ref('int_user_blacklist_status_by_date') }}
-- depends_on: {{ ref('int_user_names_by_date') }}
-- depends_on: {{ ref('mart_critical_hour_payments') }}
-- depends_on: {{ ref('mart_most_fraudulent_users') }}
-- depends_on: {{ ref('mart_product_payment_methods') }}
-- depends_on: {{ ref('mart_rule_performance') }}
-- depends_on: {{ ref('mart_user_blacklist_status') }}
with orders as (
    select
        business_date,
        count(*) as total_orders,
        bit_xor(row_hash) as orders_hash
    from {{ ref('fct_orders') }}
    where {{ incremental_filter() }}
    group by business_date
),

hits as (
    select
        business_date,
        count(*) as total_hits,
        bit_xor(row_hash) as hits_hash
    from {{ ref('fct_rule_hits') }}
    where {{ incremental_filter() }}
    group by business_date
),

labels as (
    select
        business_date,
        count(*) as total_labels,
        bit_xor(row_hash) as labels_hash
    from {{ ref('fct_labels') }}
    where {{ incremental_filter() }}
    group by business_date
),

dates as (
    select business_date from orders
    union distinct
    select business_date from hits
    union distinct
    select business_date from labels
)

select
    -- ids
    dates.business_date,

    -- facts
    coalesce(orders.total_orders, 0) as total_orders,
    coalesce(orders.orders_hash, 0) as orders_hash,
    coalesce(hits.total_hits, 0) as total_hits,
    coalesce(hits.hits_hash, 0) as hits_hash,
    coalesce(labels.total_labels, 0) as total_labels,
    coalesce(labels.labels_hash, 0) as labels_hash
from dates
left join orders on dates.business_date = orders.business_date
left join hits on dates.business_date = hits.business_date
left join labels on dates.business_date = labels.business_date
