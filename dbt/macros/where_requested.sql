{#
    In a test's `where`, __requested_dates__ is replaced by the dates of this run, and __latest_in_requested_dates__ by
    the condition that the latest order is of these dates: properties files cannot call macros.
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


{# Whether `latest_order` is of the requested dates. Not cast, so that DuckDB can skip blocks. #}
{% macro is_latest_in_requested() -%}
    {%- set dates = requested_dates() -%}
    {%- if dates is none -%}
        true
    {%- else -%}
        latest_order >= cast('{{ dates | first }} 00:00:00' as datetime)
        and latest_order <= cast('{{ dates | last }} 23:59:59.999999' as datetime)
    {%- endif -%}
{%- endmacro %}
