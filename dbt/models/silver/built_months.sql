-- Written last, like built_dates: names in the marts are those of these versions.
-- depends_on: {{ ref('built_dates') }}
with versions as (
    select
        'users' as table_name,
        {{ month_start('valid_from') }} as month_start,
        row_hash
    from {{ ref('dim_users') }}
    union all
    select
        'products' as table_name,
        {{ month_start('valid_from') }} as month_start,
        row_hash
    from {{ ref('dim_products') }}
)

select
    -- ids
    table_name,
    month_start,

    -- facts
    count(*) as total_versions,
    bit_xor(row_hash) as content_hash
from versions
group by table_name, month_start
