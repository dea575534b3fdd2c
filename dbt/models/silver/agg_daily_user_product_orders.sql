{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        require_partition_filter=true,
        cluster_by=['user_id', 'product_id'],
    )
}}

select
    -- ids
    business_date,
    user_id,
    product_id,
    currency,

    -- facts
    {{ order_totals() }},

    -- moments
    max(created_local) as latest_order
from {{ ref('fct_orders') }}
where {{ incremental_filter() }}
group by business_date, user_id, product_id, currency
{{ order_by_date() }}
