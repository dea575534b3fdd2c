{#
    For the rows of a failing test: the command that builds again what they are about, as text. `column` is business_date
    or month_start, and `value` the expression that has it.
#}
{% macro what_to_run(column, value) -%}
    {%- if column == 'business_date' -%}
        {{ dbt.concat(["'make batch DATE='", as_text(value)]) }}
    {%- elif column == 'month_start' -%}
        {%- set last = 'cast(' ~ dbt.last_day(value, 'month') ~ ' as date)' -%}
        {{ dbt.concat(["'make batch DATE='", as_text(value), "'..'", as_text(last)]) }}
    {%- else -%}
        'make batch with any DATE builds the table again; if this fails again, correct the model'
    {%- endif -%}
{%- endmacro %}

{% macro as_text(expression) -%}
    cast({{ expression }} as {{ dbt.type_string() }})
{%- endmacro %}
