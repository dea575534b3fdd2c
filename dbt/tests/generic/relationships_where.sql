{# Each row has a match in another relation. The `where` limits both relations, unlike in dbt's own `relationships`. #}
{% test relationships_where(model, to, columns) %}

with here as (
    select *
    from {{ model }}
),

there as (
    select *
    from {{ get_where_subquery(to) }}
)

select here.*
from here
left join there
    on {% for column in columns %}here.{{ column }} = there.{{ column }}{{ ' and ' if not loop.last }}{% endfor %}
where there.{{ columns | first }} is null

{% endtest %}
