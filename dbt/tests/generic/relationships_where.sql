{# Each row has a partner in another relation. Of both the dates of the `where` are read, and not all as by dbt's own. #}
{% test belongs_to(model, to, columns) %}

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
