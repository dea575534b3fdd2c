{# The daily totals of users and products that marts are about: of dates whose last build finished. #}
{% macro built_user_product_orders(relation) -%}
    {{ is_any_date(relation ~ '.business_date') }}
    and {{ relation }}.currency = '{{ var("mart_currency") }}'
    and {{ relation }}.business_date in (select built.business_date from {{ ref('built_dates') }} as built)
{%- endmacro %}


{# The columns of mart_user_product_habits, from totals in `orders`, with current names. #}
{% macro named_user_product_orders() -%}
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
left join {{ ref('dim_users') }} as users on orders.user_id = users.user_id and users.is_current
left join {{ ref('dim_products') }} as products on orders.product_id = products.product_id and products.is_current
{%- endmacro %}
