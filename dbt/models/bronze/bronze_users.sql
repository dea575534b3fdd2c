select
    -- ids
    user_id,

    -- facts
    trim(first_name) as first_name,
    trim(last_name) as last_name,
    lower(trim(email)) as email,
    trim(default_payment) as default_payment,
    trim(city) as city,
    {{ row_hash('users') }} as row_hash,

    -- moments
    created_date,
    valid_from
from {{ source('raw', 'users') }}
where true
qualify
    row_number() over (
        partition by user_id, valid_from
        order by created_date, email, first_name, last_name, default_payment, city
    ) = 1
