{# No id of the dates of this run stands at another date, too. #}
{% test in_one_date_only(model, id) %}

with requested as (
    select {{ id }}, business_date
    from {{ model }}
    where {{ is_requested() }}
)

select requested.{{ id }}, requested.business_date, everything.business_date as other_date
from {{ model }} as everything
inner join requested
    on everything.{{ id }} = requested.{{ id }} and everything.business_date <> requested.business_date

{% endtest %}
