{{ config(materialized='view') }}

-- A view, as mart_user_product_habits: in time it has all users, of whom a day changes few.
with orders as (
    select
        user_id,
        {{ summed_order_totals() }}
    from {{ ref('agg_monthly_user_orders') }}
    where currency = '{{ var("mart_currency") }}'
    group by user_id
)

select
    {{ user_blacklist_status() }}
