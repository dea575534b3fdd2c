{# Ranges of a partition neither overlap nor leave gaps, and the last one has no end. #}
{% test mutually_exclusive_ranges(model, lower_bound_column, upper_bound_column, partition_by) %}

with ranges as (
    select
        {{ partition_by }},
        {{ lower_bound_column }} as lower_bound,
        {{ upper_bound_column }} as upper_bound,
        lead({{ lower_bound_column }}) over (
            partition by {{ partition_by }} order by {{ lower_bound_column }}
        ) as next_lower_bound
    from {{ model }}
)

select *
from ranges
where
    upper_bound <= lower_bound
    or (next_lower_bound is null and upper_bound is not null)
    or (next_lower_bound is not null and (upper_bound is null or upper_bound <> next_lower_bound))

{% endtest %}
