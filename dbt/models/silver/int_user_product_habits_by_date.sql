{{ config(materialized='view') }}

-- Rows of mart_user_product_habits by the dates that they depend on. The date is a key of the join, not only of the
-- result, so that with a condition on it all dates are read, but only the pairs of that date are added up. is_new says that a
-- pair has orders of no other date, as most pairs: then it is not published yet, and need not be looked for.
with orders as (
    select
        ordered.business_date,
        ordered.user_id,
        ordered.product_id,
        {{ summed_order_totals('daily') }},
        max(daily.latest_order) as latest_order,
        count(case when daily.business_date <> ordered.business_date then 1 end) = 0 as is_new
    from {{ ref('agg_daily_user_product_orders') }} as ordered
    inner join {{ ref('agg_daily_user_product_orders') }} as daily
        on ordered.user_id = daily.user_id and ordered.product_id = daily.product_id
    where
        {{ built_user_product_orders('ordered') }}
        and {{ built_user_product_orders('daily') }}
    group by ordered.business_date, ordered.user_id, ordered.product_id
)

select
    orders.business_date,
    orders.is_new,
    {{ named_user_product_orders() }}
