select
    -- ids
    {{ version_key('user_id', 'valid_from') }} as user_version_key,
    user_id,

    -- facts
    first_name,
    last_name,
    email,
    default_payment,
    city,
    row_number() over versions as version,
    lead(valid_from) over versions is null as is_current,
    row_hash,

    -- moments
    created_date,
    valid_from,
    lead(valid_from) over versions as valid_to
from {{ ref('bronze_users') }}
window versions as (partition by user_id order by valid_from)
