{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        cluster_by=['rule'],
    )
}}

select
    -- ids
    hits.business_date,
    hits.rule,
    orders.ruleset_version,
    hits.mode,
    orders.currency,

    -- facts
    count(*) as total_hits,
    {{ total('orders.amount') }} as total_amount
from {{ ref('fct_rule_hits') }} as hits
inner join {{ ref('fct_orders') }} as orders
    on hits.business_date = orders.business_date and hits.order_id = orders.order_id
where
    {{ incremental_filter('hits.business_date') }}
    and {{ incremental_filter('orders.business_date') }}
group by hits.business_date, hits.rule, orders.ruleset_version, hits.mode, orders.currency
{{ order_by_date() }}
