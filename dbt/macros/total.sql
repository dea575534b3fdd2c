{# A sum of integers as an integer: DuckDB's is wider. Beyond 64 bits both fail, loudly. #}
{% macro total(expression) -%}
    cast(sum({{ expression }}) as int64)
{%- endmacro %}
