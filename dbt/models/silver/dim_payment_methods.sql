with known as (
    select payment_method, kind
    from {{ ref('payment_methods') }}
),

used as (
    select distinct payment_method
    from {{ ref('agg_daily_payment_hour_orders') }}
)

select
    coalesce(known.payment_method, used.payment_method) as payment_method,
    coalesce(known.kind, 'Other') as kind
from known
full join used on known.payment_method = used.payment_method
