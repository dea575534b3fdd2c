{{ config(materialized='view') }}

-- A view: nearly every order is a new pair, so that a table of the pairs would be about as long as the facts are, and
-- building it would cost more with each day of history. Of built dates only, so that what is published says of which.
with orders as (
    select
        daily.user_id,
        daily.product_id,
        {{ summed_order_totals() }},
        max(daily.latest_order) as latest_order
    from {{ ref('agg_daily_user_product_orders') }} as daily
    where {{ built_user_product_orders('daily') }}
    group by daily.user_id, daily.product_id
)

select
    {{ named_user_product_orders() }}
