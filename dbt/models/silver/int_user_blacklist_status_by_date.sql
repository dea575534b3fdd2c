{{ config(materialized='view') }}

-- Rows of mart_user_blacklist_status by the dates that they depend on, as int_user_product_habits_by_date has those of
-- its mart.
with orders as (
    select
        ordered.business_date,
        ordered.user_id,
        {{ summed_order_totals('monthly') }}
    from {{ ref('agg_daily_user_orders') }} as ordered
    inner join {{ ref('agg_monthly_user_orders') }} as monthly
        on ordered.user_id = monthly.user_id and ordered.currency = monthly.currency
    where {{ is_any_date('ordered.business_date') }} and ordered.currency = '{{ var("mart_currency") }}'
    group by ordered.business_date, ordered.user_id
)

select
    orders.business_date,
    {{ user_blacklist_status() }}
