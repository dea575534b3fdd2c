{# Counts and sums of a model equal those of another relation, group by group. `totals`: expression here to that there. #}
{% test equal_totals(model, to, totals, by=[], to_where=none) %}

{%- set names = [] -%}
{%- for _ in totals -%}{%- do names.append('total_' ~ loop.index) -%}{%- endfor -%}
{%- set groups = by or ["'all'"] -%}

with here as (
    select
        {% for group in groups %}{{ group }} as group_{{ loop.index }}, {% endfor %}
        {% for expression in totals.keys() -%}
        coalesce({{ expression }}, 0) as total_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ model }}
    {% if by -%} group by {{ by | join(', ') }} {%- endif %}
),

there as (
    select
        {% for group in groups %}{{ group }} as group_{{ loop.index }}, {% endfor %}
        {% for expression in totals.values() -%}
        coalesce({{ expression }}, 0) as total_{{ loop.index }}{{ ',' if not loop.last }}
        {% endfor %}
    from {{ get_where_subquery(to) }}
    {% if to_where -%} where {{ to_where }} {%- endif %}
    {% if by -%} group by {{ by | join(', ') }} {%- endif %}
)

select
    {% for _ in groups -%}
    coalesce(here.group_{{ loop.index }}, there.group_{{ loop.index }}) as group_{{ loop.index }},
    {% endfor -%}
    {% for name in names -%}
    here.{{ name }} as {{ name }}_here,
    there.{{ name }} as {{ name }}_there{{ ',' if not loop.last }}
    {% endfor %}
from here
full join there
    on {% for _ in groups %}here.group_{{ loop.index }} = there.group_{{ loop.index }}{{ ' and ' if not loop.last }}{% endfor %}
where
    {% for name in names -%}
    coalesce(here.{{ name }}, 0) <> coalesce(there.{{ name }}, 0){{ ' or ' if not loop.last }}
    {% endfor %}

{% endtest %}
