{{ config(materialized='view') }}

-- For publishing: when the version of which date came, the names that its user has now may be others than before.
select
    -- ids
    cast({{ business_datetime('versions.valid_from') }} as date) as business_date,
    versions.user_id,

    -- facts
    named.first_name,
    named.last_name,
    named.email,
    versions.row_hash,

    -- moments
    versions.valid_from
from {{ ref('dim_users') }} as versions
inner join {{ ref('dim_users') }} as named on versions.user_id = named.user_id and named.is_current
