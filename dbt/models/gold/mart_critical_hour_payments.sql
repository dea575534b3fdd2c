with orders as (
    select
        payment_method,
        {{ summed_order_totals() }}
    from {{ ref('agg_daily_payment_hour_orders') }}
    where
        currency = '{{ var("mart_currency") }}'
        and business_hour <= {{ var('last_critical_hour') }}
    group by payment_method
)

select
    -- ids
    payment_method,

    -- facts
    total_orders,
    total_orders - fraud_orders as genuine_orders,
    fraud_orders,
    100 * {{ safe_divide('fraud_orders', 'total_orders') }} as fraud_percentage,
    total_amount,
    fraud_amount
from orders
