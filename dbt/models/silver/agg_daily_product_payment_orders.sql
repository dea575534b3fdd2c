{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        require_partition_filter=true,
        cluster_by=['product_id'],
    )
}}

select
    -- ids
    business_date,
    product_id,
    payment_method,
    currency,

    -- facts
    {{ order_totals() }}
from {{ ref('fct_orders') }}
where {{ incremental_filter() }}
group by business_date, product_id, payment_method, currency
{{ order_by_date() }}
