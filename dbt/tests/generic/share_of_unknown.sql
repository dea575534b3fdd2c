{#
    The share of rows whose value is not in another relation's column, in percent, when it is above what is tolerated. A
    single unknown id may be legitimate; many of them mean that the other relation is incomplete.
#}
{% test share_of_unknown(model, column_name, to, field, tolerated) %}

with known as (
    select distinct {{ field }} as known_value
    from {{ to }}
),

shares as (
    select
        count(*) as total_rows,
        count(case when known.known_value is null then 1 end) as unknown_rows,
        100 * {{ safe_divide('count(case when known.known_value is null then 1 end)', 'count(*)') }} as unknown_percentage
    from (
        select {{ column_name }} as referring_value
        from {{ model }}
    ) as referring
    left join known on referring.referring_value = known.known_value
)

select
    total_rows,
    unknown_rows,
    unknown_percentage,
    'make reconcile REPAIR=on loads what the catalog has and the warehouse lacks' as what_to_do
from shares
where unknown_percentage > {{ tolerated }}

{% endtest %}
