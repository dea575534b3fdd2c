{{
    config(
        materialized='incremental',
        partition_by=by_business_date(),
        partitions=requested_partitions(),
        cluster_by=['order_id'],
    )
}}

select
    -- ids
    business_date,
    order_id,
    source_topic,
    source_epoch,
    source_partition,
    source_offset,

    -- facts
    label,
    verdict,
    reason,
    source,
    row_hash,

    -- moments
    labelled_at,
    appended_at
from {{ ref('bronze_labels') }}
where {{ incremental_filter() }}
{{ order_by_date() }}
