with orders as (
    select
        product_id,
        payment_method,
        {{ summed_order_totals() }}
    from {{ ref('agg_monthly_product_payment_orders') }}
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
