select
    -- ids
    product_id,

    -- facts
    trim(product_name) as product_name,
    trim(category) as category,
    price,
    {{ row_hash('products') }} as row_hash,

    -- moments
    created_date,
    valid_from
from {{ source('raw', 'products') }}
where true
qualify
    row_number() over (
        partition by product_id, valid_from
        order by created_date, price, product_name, category
    ) = 1
