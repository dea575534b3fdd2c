{#
    No id of this run's dates occurs at the date before or after as well, where a wrong time zone would put it.
    Dates farther away are not read: the cost of a run would grow with every day of history.
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
