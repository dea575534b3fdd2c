{{ config(materialized='view') }}

-- What is really there, however it got there: a table may have lost what its build wrote.
{% set aggregates = [
    ref('agg_daily_payment_hour_orders'),
    ref('agg_daily_product_payment_orders'),
    ref('agg_daily_user_orders'),
    ref('agg_daily_user_product_orders'),
] -%}
{% set relations = {
    'orders': 2 + aggregates | length,
    'rule_hits': 2,
    'labels': 2,
    'users': 2,
    'products': 2,
} -%}
with found as (
    select
        'orders' as table_name,
        business_date as partition_start,
        count(*) as total_rows,
        sum(cast(amount as numeric(29, 0))) as amount,
        bit_xor(row_hash) as content_hash
    from {{ ref('fct_orders') }}
    where {{ is_any_date() }}
    group by business_date
    {%- for aggregate in aggregates %}
    union all
    select
        'orders' as table_name,
        business_date as partition_start,
        sum(total_orders) as total_rows,
        sum(cast(total_amount as numeric(29, 0))) as amount,
        bit_xor(content_hash) as content_hash
    from {{ aggregate }}
    where {{ is_any_date() }}
    group by business_date
    {%- endfor %}
    union all
    select
        'rule_hits' as table_name,
        business_date as partition_start,
        count(*) as total_rows,
        sum(cast(score as numeric(29, 0))) as amount,
        bit_xor(row_hash) as content_hash
    from {{ ref('fct_rule_hits') }}
    where {{ is_any_date() }}
    group by business_date
    union all
    select
        'labels' as table_name,
        business_date as partition_start,
        count(*) as total_rows,
        cast(null as numeric(29, 0)) as amount,
        bit_xor(row_hash) as content_hash
    from {{ ref('fct_labels') }}
    where {{ is_any_date() }}
    group by business_date
    union all
    select
        'users' as table_name,
        {{ month_start('valid_from') }} as partition_start,
        count(*) as total_rows,
        cast(null as numeric(29, 0)) as amount,
        bit_xor(row_hash) as content_hash
    from {{ ref('dim_users') }}
    group by {{ month_start('valid_from') }}
    union all
    select
        'products' as table_name,
        {{ month_start('valid_from') }} as partition_start,
        count(*) as total_rows,
        sum(cast(price as numeric(29, 0))) as amount,
        bit_xor(row_hash) as content_hash
    from {{ ref('dim_products') }}
    group by {{ month_start('valid_from') }}
    union all
    select
        table_name,
        partition_start,
        total_rows,
        cast(null as numeric(29, 0)) as amount,
        content_hash
    from {{ ref('built_partitions') }}
)

select
    -- ids
    table_name,
    partition_start,

    -- facts
    cast(max(total_rows) as int64) as total_rows,
    cast(max(amount) as string) as amount,
    max(content_hash) as content_hash,
    count(*) = case table_name
        {%- for table, count in relations.items() %} when '{{ table }}' then {{ count }}{% endfor %} end
    and min(total_rows) = max(total_rows)
    and coalesce(min(amount) = max(amount), true)
    and min(content_hash) = max(content_hash) as is_complete
from found
group by table_name, partition_start
