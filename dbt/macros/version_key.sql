{# The key of a version: computed from the id and the start of its validity, so it is the same in every build. #}
{% macro version_key(id, valid_from) -%}
    {{ dbt.hash(dbt.concat([id, "'@'", dbt.cast(unix_micros(valid_from), dbt.type_string())])) }}
{%- endmacro %}

{# Microseconds since 1970 of a moment. #}
{% macro unix_micros(moment) -%}
    {{ return(adapter.dispatch('unix_micros')(moment)) }}
{%- endmacro %}

{% macro bigquery__unix_micros(moment) -%}
    unix_micros({{ moment }})
{%- endmacro %}

{% macro duckdb__unix_micros(moment) -%}
    epoch_us({{ moment }})
{%- endmacro %}
