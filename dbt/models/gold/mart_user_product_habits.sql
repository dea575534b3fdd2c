{{ config(materialized='view') }}

-- A view, because names change more often than what was ordered, and this is by far the longest of the marts.
with users as (
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
from {{ ref('user_product_orders') }} as orders
left join users on orders.user_id = users.user_id
left join products on orders.product_id = products.product_id
where orders.currency = '{{ var("mart_currency") }}'
