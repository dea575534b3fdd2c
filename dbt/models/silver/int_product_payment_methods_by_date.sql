{{ config(materialized='view') }}

-- Rows of mart_product_payment_methods by the dates that they depend on, as int_user_product_habits_by_date has those of
-- its mart.
with orders as (
    select
        ordered.business_date,
        ordered.product_id,
        ordered.payment_method,
        {{ summed_order_totals('monthly') }}
    from {{ ref('agg_daily_product_payment_orders') }} as ordered
    inner join {{ ref('agg_monthly_product_payment_orders') }} as monthly
        on
            ordered.product_id = monthly.product_id
            and ordered.payment_method = monthly.payment_method
            and ordered.currency = monthly.currency
    where {{ is_any_date('ordered.business_date') }} and ordered.currency = '{{ var("mart_currency") }}'
    group by ordered.business_date, ordered.product_id, ordered.payment_method
)

select
    orders.business_date,
    {{ named_product_payment_orders() }}
