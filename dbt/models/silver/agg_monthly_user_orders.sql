{{
    config(
        materialized='incremental',
        partition_by=by_month(),
        partitions=requested_month_partitions(),
        cluster_by=['user_id'],
        unique_key=['month_start', 'user_id', 'currency'],
    )
}}

with orders as (
    {{ orders_of_months(ref('agg_daily_user_orders'), ['user_id', 'currency']) }}
)

select
    -- ids
    month_start,
    user_id,
    currency,

    -- facts
    {{ summed_order_totals() }},
    bit_xor(content_hash) as content_hash
from orders
group by month_start, user_id, currency
