{# Schemas are named after their layer; on BigQuery, where they are datasets of a project, with the prefix before it. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ layer_schema(custom_schema_name or target.schema) }}
{%- endmacro %}

{% macro layer_schema(layer) -%}
    {{ return((target.schema if target.type == 'bigquery' else '') ~ layer) }}
{%- endmacro %}
