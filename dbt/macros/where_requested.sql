{#
    In a test's `where`, __requested_dates__ stands for the dates of this run, __latest_in_requested_dates__ for those
    whose latest order is of them: properties files know no macros.
#}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where -%}
        {{ return(relation) }}
    {%- endif -%}
    {%- set where = where | replace('__requested_dates__', is_requested()) -%}
    {%- set where = where | replace('__latest_in_requested_dates__', is_latest_in_requested()) -%}
    (select * from {{ relation }} where {{ where }}) as dbt_subquery
{%- endmacro %}


{# Whether `latest_order` is of the requested dates. It is compared as it is, so that DuckDB skips what does not hold any. #}
{% macro is_latest_in_requested() -%}
    {%- set dates = requested_dates() -%}
    {%- if dates is none -%}
        true
    {%- else -%}
        latest_order >= cast('{{ dates | first }} 00:00:00' as datetime)
        and latest_order <= cast('{{ dates | last }} 23:59:59.999999' as datetime)
    {%- endif -%}
{%- endmacro %}
