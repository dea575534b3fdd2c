-- A duplicate has its order's business date: Postgres holds an order_id once. So dates are cleaned one by one,
-- and what is read of a date costs no more when there is a history. Hashed before duplicates are looked for: the texts
-- that only the hash needs, documents among them, are not carried through the window.
with hashed as (
    select
        *,
        {{ row_hash('orders') }} as content_hash
    from {{ source('raw', 'orders') }}
    where {{ is_any_date() }}
)

select
    -- ids
    business_date,
    order_id,
    user_id,
    product_id,
    nullif(trim(device_id), '') as device_id,
    nullif(trim(ip_address), '') as ip_address,
    nullif(trim(voucher_code), '') as voucher_code,
    ruleset_version,

    -- facts
    quantity,
    amount,
    upper(trim(currency)) as currency,
    trim(payment_method) as payment_method,
    upper(trim(country)) as country,
    nullif(upper(trim(shipping_country)), '') as shipping_country,
    status,
    outcome,
    risk_score,
    content_hash as row_hash,

    -- moments
    created_date,
    account_created_date,
    decided_at,
    stored_at
from hashed
where {{ is_any_date() }}
qualify
    row_number() over (
        partition by business_date, order_id
        order by stored_at, source_partition, source_offset
    ) = 1
