{{ config(materialized='view') }}

-- For publishing: when the version of which date came, the names that its product has now may be others than before.
select
    -- ids
    cast({{ business_datetime('versions.valid_from') }} as date) as business_date,
    versions.product_id,

    -- facts
    named.product_name,
    named.category,
    versions.row_hash,

    -- moments
    versions.valid_from
from {{ ref('dim_products') }} as versions
inner join {{ ref('dim_products') }} as named on versions.product_id = named.product_id and named.is_current
