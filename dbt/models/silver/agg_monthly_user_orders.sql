{{
    config(
        materialized='incremental',
        partition_by=by_month(),
        partitions=requested_month_partitions(),
        cluster_by=['user_id'],
    )
}}

select
    -- ids
    cast({{ dbt.date_trunc('month', 'business_date') }} as date) as month_start,
    user_id,
    currency,

    -- facts
    {{ summed_order_totals() }},
    bit_xor(content_hash) as content_hash
from {{ ref('agg_daily_user_orders') }}
where {{ incremental_month_filter() }}
group by month_start, user_id, currency
