{# The columns of mart_product_payment_methods, from totals in `orders`, with current names. #}
{% macro named_product_payment_orders() -%}
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
left join {{ ref('dim_products') }} as products on orders.product_id = products.product_id and products.is_current
{%- endmacro %}
