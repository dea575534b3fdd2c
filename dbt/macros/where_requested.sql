{#
    In a test's `where`, __requested_dates__ is replaced by the condition that a row is of the dates of this run, and
    __requested_months__ by the one that it is of their months: properties files cannot call macros.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set where = where | replace('__requested_dates__', is_requested()) -%}
    {%- set where = where | replace('__requested_months__', is_in_requested_months()) -%}
    (select * from {{ relation }} where {{ where }}) as dbt_subquery
{%- endmacro %}
