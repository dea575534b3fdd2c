{{ config(materialized='view') }}

-- A view, as mart_user_product_habits: it has nearly all pairs of products and payment methods, of which a day changes few.
with orders as (
    select
        product_id,
        payment_method,
        {{ summed_order_totals() }}
    from {{ ref('agg_monthly_product_payment_orders') }}
    where currency = '{{ var("mart_currency") }}'
    group by product_id, payment_method
)

select
    {{ named_product_payment_orders() }}
