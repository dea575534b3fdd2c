with orders as (
    select
        user_id,
        {{ total('total_orders') }} as total_orders,
        {{ total('total_amount') }} as total_purchasing,
        {{ total('fraud_orders') }} as fraud_orders_count,
        {{ total('fraud_amount') }} as total_fraud_loss
    from {{ ref('agg_monthly_user_orders') }}
    where currency = '{{ var("mart_currency") }}'
    group by user_id
),

users as (
    select user_id, first_name, last_name, email
    from {{ ref('dim_users') }}
    where is_current
)

select
    -- ids
    orders.user_id,
    users.first_name,
    users.last_name,
    users.email,

    -- facts
    orders.total_orders,
    orders.total_purchasing,
    orders.fraud_orders_count,
    orders.total_fraud_loss,
    case
        when orders.fraud_orders_count >= 3 then 'Blacklist'
        when orders.fraud_orders_count >= 1 then 'Watchlist'
        else 'Good Standing'
    end as status
from orders
left join users on orders.user_id = users.user_id
