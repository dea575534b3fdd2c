{{
    config(
        materialized='incremental',
        incremental_strategy='merge' if target.type == 'bigquery' else 'delete+insert',
        unique_key=['user_id', 'product_id', 'currency'],
        cluster_by=['user_id', 'product_id'],
    )
}}

-- A user seldom orders the same again on one day, so that a daily aggregate would be as long as the facts are.
-- Instead what the requested dates touched is counted again; without dates, all is.
{% set only_touched = is_incremental() and requested_dates() is not none -%}
with orders as (
    select *
    from {{ ref('fct_orders') }}
)
{%- if only_touched %},

touched as (
    select distinct
        user_id,
        product_id
    from {{ ref('fct_orders') }}
    where {{ is_requested() }}
)
{%- endif %}

select
    -- ids
    orders.user_id,
    orders.product_id,
    orders.currency,

    -- facts
    {{ order_totals() }},

    -- moments
    max(orders.created_local) as latest_order
from orders
{% if only_touched -%}
inner join touched on orders.user_id = touched.user_id and orders.product_id = touched.product_id
{% endif -%}
group by orders.user_id, orders.product_id, orders.currency
