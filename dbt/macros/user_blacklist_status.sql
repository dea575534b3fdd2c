{# The columns of mart_user_blacklist_status, from totals in `orders`, with current names. #}
{% macro user_blacklist_status() -%}
    -- ids
    orders.user_id,
    users.first_name,
    users.last_name,
    users.email,

    -- facts
    orders.total_orders,
    orders.total_amount as total_purchasing,
    orders.fraud_orders as fraud_orders_count,
    orders.fraud_amount as total_fraud_loss,
    case
        when orders.fraud_orders >= 3 then 'Blacklist'
        when orders.fraud_orders >= 1 then 'Watchlist'
        else 'Good Standing'
    end as status
from orders
left join {{ ref('dim_users') }} as users on orders.user_id = users.user_id and users.is_current
{%- endmacro %}
