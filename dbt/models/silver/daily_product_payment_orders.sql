{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
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
    count(*) as total_orders,
    count(case when is_fraud then 1 end) as fraud_orders,
    {{ total('amount') }} as total_amount,
    {{ total('case when is_fraud then amount else 0 end') }} as fraud_amount
from {{ ref('fct_orders') }}
where {{ is_to_be_built() }}
group by business_date, product_id, payment_method, currency
