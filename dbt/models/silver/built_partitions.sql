{{ config(materialized='view') }}

-- What is published with the marts, as one list.
select
    'orders' as table_name,
    business_date as partition_start,
    total_orders as total_rows,
    orders_hash as content_hash
from {{ ref('built_dates') }}
where total_orders > 0
union all
select
    'rule_hits' as table_name,
    business_date as partition_start,
    total_hits as total_rows,
    hits_hash as content_hash
from {{ ref('built_dates') }}
where total_hits > 0
union all
select
    'labels' as table_name,
    business_date as partition_start,
    total_labels as total_rows,
    labels_hash as content_hash
from {{ ref('built_dates') }}
where total_labels > 0
union all
select
    table_name,
    month_start as partition_start,
    total_versions as total_rows,
    content_hash
from {{ ref('built_months') }}
