select
    -- ids
    {{ version_key('product_id', 'valid_from') }} as product_version_key,
    product_id,

    -- facts
    product_name,
    category,
    price,
    row_number() over versions as version,
    lead(valid_from) over versions is null as is_current,
    row_hash,

    -- moments
    created_date,
    valid_from,
    lead(valid_from) over versions as valid_to
from {{ ref('bronze_products') }}
window versions as (partition by product_id order by valid_from)
