with orders as (
    select
        product_id,
        payment_method,
        {{ total('total_orders') }} as total_orders,
        {{ total('fraud_orders') }} as fraud_orders,
        {{ total('total_amount') }} as total_amount,
        {{ total('fraud_amount') }} as fraud_amount
    from {{ ref('agg_daily_product_payment_orders') }}
    where currency = '{{ var("mart_currency") }}'
    group by product_id, payment_method
),

products as (
    select product_id, product_name, category
    from {{ ref('dim_products') }}
    where is_current
)

select
    -- ids
    orders.product_id,
    products.product_name,
    products.category,
    orders.payment_method,

    -- facts
    orders.total_orders,
    orders.total_orders - orders.fraud_orders as genuine_orders,
    orders.fraud_orders,
    orders.total_amount,
    orders.fraud_amount
from orders
left join products on orders.product_id = products.product_id
