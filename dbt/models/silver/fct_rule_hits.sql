{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        require_partition_filter=true,
        cluster_by=['rule'],
    )
}}

select
    -- ids
    business_date,
    order_id,
    rule,

    -- facts
    severity,
    score,
    mode,
    mode = 'live' as is_live,
    reason,
    row_hash
from {{ ref('bronze_rule_hits') }}
where {{ incremental_filter() }}
{{ order_by_date() }}
