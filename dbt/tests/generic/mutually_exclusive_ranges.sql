{# Versions of an id follow upon each other without gap or overlap, and the last one is the current one. #}
{% test one_version_at_a_time(model, id) %}

with versions as (
    select
        {{ id }},
        valid_from,
        valid_to,
        is_current,
        lead(valid_from) over (partition by {{ id }} order by valid_from) as next_from
    from {{ model }}
)

select *
from versions
where
    valid_to <= valid_from
    or (next_from is null and not (is_current and valid_to is null))
    or (next_from is not null and (is_current or valid_to is null or valid_to <> next_from))

{% endtest %}
