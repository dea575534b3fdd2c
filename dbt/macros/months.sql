{#
    The totals that months are made of, by the columns `keys`, which are what `dates` is grouped by but for the date.

    Mostly a month gains a date. Then they are those of the date, and those that the month has of its keys: that costs the
    same on each date of a month, and a comment tells incremental.sql so. Whenever a date is built again, they are those of
    all dates.
#}
{% macro orders_of_months(dates, keys) -%}
    {%- set gained = months_gain_dates(dates) -%}
    {%- set columns = keys + ['total_orders', 'fraud_orders', 'total_amount', 'fraud_amount', 'content_hash'] -%}
    select
        {{ month_of('business_date') }} as month_start,
        {{ columns | join(',\n        ') }}
    from {{ dates }}
    where {{ is_requested() if gained else incremental_month_filter() }}
    {%- if gained %}
    union all
    -- only adds dates to months
    select
        month_start,
        {{ columns | join(',\n        ') }}
    from {{ this }}
    where
        {{ is_in_requested_months() }}
        and exists (
            select 1 from {{ dates }} as gained
            where
                {{ is_requested('gained.business_date') }}
                and {{ month_of('gained.business_date') }} = {{ this }}.month_start
                {%- for key in keys %}
                and gained.{{ key }} = {{ this }}.{{ key }}
                {%- endfor %}
        )
    {%- endif %}
{%- endmacro %}


{#
    Whether the months of the requested dates hold, by their content hash, all orders of their other dates and none of the
    requested ones. BigQuery is not asked: it replaces whole partitions.
#}
{% macro months_gain_dates(dates) %}
    {%- if not execute or target.type != 'duckdb' or not is_incremental() or requested_dates() is none -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set content -%}
        select coalesce(sum(total_orders), 0) as total_orders, coalesce(bit_xor(content_hash), 0) as content_hash
    {%- endset -%}
    {%- set contents -%}
        {{ content }} from {{ this }} where {{ is_in_requested_months() }}
        union distinct
        {{ content }} from {{ dates }} where {{ is_in_requested_months('business_date') }} and not ({{ is_requested() }})
    {%- endset -%}
    {{ return(run_query(contents) | length == 1) }}
{% endmacro %}
