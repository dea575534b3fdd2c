{{ config(materialized='view') }}

-- A view: nearly every order is a new pair, so that a table of the pairs would be about as long as the facts are, and
-- building it would cost more with each day of history.
with orders as (
    select
        user_id,
        product_id,
        {{ summed_order_totals() }},
        max(latest_order) as latest_order
    from {{ ref('agg_daily_user_product_orders') }}
    where
        {{ is_any_date() }}
        and currency = '{{ var("mart_currency") }}'
    group by user_id, product_id
),

users as (
    select user_id, first_name, last_name, email
    from {{ ref('dim_users') }}
    where is_current
),

products as (
    select product_id, product_name, category
    from {{ ref('dim_products') }}
    where is_current
)

select
    -- ids
    orders.user_id,
    users.first_name,
    users.last_name,
    users.email,
    orders.product_id,
    products.product_name,
    products.category,

    -- facts
    orders.total_orders,
    orders.total_orders - orders.fraud_orders as genuine_orders,
    orders.fraud_orders,
    orders.total_amount,
    orders.fraud_amount,

    -- moments
    orders.latest_order
from orders
left join users on orders.user_id = users.user_id
left join products on orders.product_id = products.product_id
