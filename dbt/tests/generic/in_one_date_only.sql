{#
    No id of the dates of this run stands at the date before or after as well, where a wrong time zone would put it.
    Farther away is not looked: a run would cost more with every day of history.
#}
{% test in_one_date_only(model, id) %}

with requested as (
    select {{ id }}, business_date
    from {{ model }}
    where {{ is_requested() }}
)

select requested.{{ id }}, requested.business_date, around.business_date as other_date
from {{ model }} as around
inner join requested
    on around.{{ id }} = requested.{{ id }} and around.business_date <> requested.business_date
where {{ is_requested('around.business_date', days_around=1) }}

{% endtest %}
