{{ config(materialized='view') }}

-- A view, because versions can become known after an order's date was built: stored keys would be those of that hour.
select
    -- ids
    orders.business_date,
    orders.order_id,
    orders.user_id,
    orders.product_id,
    users.user_version_key,
    products.product_version_key,

    -- facts
    products.price as list_price
from {{ ref('fct_orders') }} as orders
left join {{ ref('dim_users') }} as users
    on
        orders.user_id = users.user_id
        and orders.created_date >= users.valid_from
        and (orders.created_date < users.valid_to or users.valid_to is null)
left join {{ ref('dim_products') }} as products
    on
        orders.product_id = products.product_id
        and orders.created_date >= products.valid_from
        and (orders.created_date < products.valid_to or products.valid_to is null)
where {{ is_any_date('orders.business_date') }}
