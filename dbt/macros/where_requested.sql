{#
    In a test's `where`, __requested_dates__ stands for the dates of this run, __requested_latest_dates__ for them in
    column latest_business_date: properties files know no macros.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set where = where | replace('__requested_dates__', is_requested()) -%}
    {%- set where = where | replace('__requested_latest_dates__', is_requested('latest_business_date')) -%}
    (select * from {{ relation }} where {{ where }}) as dbt_subquery
{%- endmacro %}
