{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        cluster_by=['payment_method'],
    )
}}

select
    -- ids
    business_date,
    payment_method,
    business_hour,
    currency,

    -- facts
    {{ order_totals() }}
from {{ ref('fct_orders') }}
where {{ incremental_filter() }}
group by business_date, payment_method, business_hour, currency
{{ order_by_date() }}
