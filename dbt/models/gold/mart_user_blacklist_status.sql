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
