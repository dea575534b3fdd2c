{{
    config(
        materialized='incremental',
        partition_by=by_month(),
        partitions=requested_month_partitions(),
        cluster_by=['product_id'],
    )
}}

select
    -- ids
    cast({{ dbt.date_trunc('month', 'business_date') }} as date) as month_start,
    product_id,
    payment_method,
    currency,

    -- facts
    {{ summed_order_totals() }},
    bit_xor(content_hash) as content_hash
from {{ ref('agg_daily_product_payment_orders') }}
where {{ incremental_month_filter() }}
group by month_start, product_id, payment_method, currency
