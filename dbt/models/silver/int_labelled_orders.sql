{{ config(materialized='view') }}

-- A view, because an order's label may change long after its date was built.
with current_labels as (
    select
        order_id,
        verdict
    from {{ ref('fct_labels') }}
    where {{ is_any_date() }} and source_topic = '{{ env_var("ORDERWATCH_LABELS_TOPIC", "labels") }}'
    qualify
        row_number() over (
            partition by order_id order by source_epoch desc, source_offset desc, source_partition desc
        ) = 1
)

select
    -- ids
    orders.business_date,
    orders.order_id,
    orders.ruleset_version,

    -- facts
    current_labels.verdict,
    orders.amount,
    orders.currency
from current_labels
inner join {{ ref('fct_orders') }} as orders on current_labels.order_id = orders.order_id
where {{ is_any_date('orders.business_date') }}
