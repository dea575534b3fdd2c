{#
    Counts and sums of a model equal those of another relation, group by group.
    `totals`: expression here to that there. `by`: columns that both have, or expression here to that there.
    A row that fails says what to run when groups are dates or months.
#}
{% test equal_totals(model, to, totals, by=[], to_where=none) %}

{%- set groups = by if by is mapping else dict(zip(by, by)) -%}
{%- set sides = [
    ('here', model, groups.keys(), totals.keys(), none),
    ('there', get_where_subquery(to), groups.values(), totals.values(), to_where),
] -%}

with
{%- for side, relation, group_expressions, total_expressions, condition in sides %}

{{ side }} as (
    select
        {% for group in group_expressions or ["'all'"] -%}
        {{ group }} as group_{{ loop.index }},
        {% endfor -%}
        {% for expression in total_expressions -%}
        coalesce({{ expression }}, 0) as total_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ relation }}
    {% if condition -%} where {{ condition }} {%- endif %}
    {% if group_expressions -%} group by {{ group_expressions | join(', ') }} {%- endif %}
){{ ',' if not loop.last }}
{%- endfor %}

select
    {% for group in groups or ['all_rows'] -%}
    coalesce(here.group_{{ loop.index }}, there.group_{{ loop.index }}) as {{ group }},
    {% endfor -%}
    {% for _ in totals -%}
    here.total_{{ loop.index }} as total_{{ loop.index }}_here,
    there.total_{{ loop.index }} as total_{{ loop.index }}_there,
    {% endfor -%}
    {{ what_to_run(groups | first if groups else '', 'coalesce(here.group_1, there.group_1)') }} as what_to_do
from here
full join there
    on {% for _ in groups or ['all'] %}here.group_{{ loop.index }} = there.group_{{ loop.index }}{{ ' and ' if not loop.last }}{% endfor %}
where
    {% for _ in totals -%}
    coalesce(here.total_{{ loop.index }}, 0) <> coalesce(there.total_{{ loop.index }}, 0){{ ' or ' if not loop.last }}
    {% endfor %}

{% endtest %}
