{{ config(materialized='view') }}

-- A view: most ranks change each day, and the first ones are read once, to be published.
select
    -- ids
    row_number() over (order by fraud_orders_count desc, total_orders desc, user_id asc) as fraud_rank,
    user_id,
    first_name,
    last_name,
    email,

    -- facts
    total_orders,
    total_purchasing,
    fraud_orders_count,
    total_fraud_loss,
    status
from {{ ref('mart_user_blacklist_status') }}
where fraud_orders_count >= 1
