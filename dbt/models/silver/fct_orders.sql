{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        require_partition_filter=true,
        cluster_by=['user_id', 'product_id'],
    )
}}

with orders as (
    select
        *,
        {{ business_datetime('created_date') }} as created_local
    from {{ ref('bronze_orders') }}
    where {{ incremental_filter() }}
)

select
    -- ids
    business_date,
    order_id,
    user_id,
    product_id,
    payment_method,
    device_id,
    ip_address,
    voucher_code,
    ruleset_version,

    -- facts
    quantity,
    amount,
    currency,
    country,
    shipping_country,
    status,
    status = 'fraud' as is_fraud,
    outcome,
    risk_score,
    row_hash,

    -- moments
    extract(hour from created_local) as business_hour,
    created_local,
    created_date,
    account_created_date,
    decided_at,
    stored_at
from orders
{{ order_by_date() }}
