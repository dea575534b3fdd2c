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
    case when label = 'legitimate' then 'legitimate' else 'fraud' end as verdict,
    nullif(trim(reason), '') as reason,
    trim(source) as source,
    {{ row_hash('labels') }} as row_hash,

    -- moments
    labelled_at,
    appended_at
from {{ source('raw', 'labels') }}
where {{ is_any_date() }}
qualify
    row_number() over (
        partition by business_date, source_topic, source_epoch, source_partition, source_offset
        order by appended_at, label, reason
    ) = 1
