{# A sum of integers as an integer: DuckDB's is wider. Beyond 64 bits both fail, loudly. #}
{% macro total(expression) -%}
    cast(sum({{ expression }}) as int64)
{%- endmacro %}


{# An amount where it is in the currency that marts are about, else 0. #}
{% macro in_mart_currency(amount, currency='currency') -%}
    case when {{ currency }} = '{{ var("mart_currency") }}' then {{ amount }} else 0 end
{%- endmacro %}
