{{
    config(
        materialized='incremental',
        partition_by=by_month(),
        partitions=requested_month_partitions(),
        cluster_by=['product_id'],
        unique_key=['month_start', 'product_id', 'payment_method', 'currency'],
    )
}}

with orders as (
    {{ orders_of_months(ref('agg_daily_product_payment_orders'), ['product_id', 'payment_method', 'currency']) }}
)

select
    -- ids
    month_start,
    product_id,
    payment_method,
    currency,

    -- facts
    {{ summed_order_totals() }},
    bit_xor(content_hash) as content_hash
from orders
group by month_start, product_id, payment_method, currency
