select
    -- ids
    business_date,
    order_id,
    rule,

    -- facts
    severity,
    score,
    mode,
    trim(reason) as reason,
    {{ row_hash('rule_hits') }} as row_hash
from {{ source('raw', 'rule_hits') }}
where {{ is_any_date() }}
qualify
    row_number() over (
        partition by business_date, order_id, rule
        order by mode asc, score desc, severity asc, reason asc
    ) = 1
