{# A bound of the 95 % interval of a proportion by Wilson's score, from 0 to 1; null of nothing. `sign` is - or +. #}
{% macro wilson_bound(part, whole, sign) -%}
    {#- Doubles on both: without an exponent they were decimals on DuckDB. -#}
    {%- set share = safe_divide(part, whole) -%}
    {%- set spread = safe_divide('3.8414588206941245e0', whole) -%}
    case
        when {{ whole }} > 0 then {{ 'greatest(0e0, ' if sign == '-' else 'least(1e0, ' -}}
            (
                {{ share }} + {{ spread }} / 2
                {{ sign }} 1.959963984540054e0
                * sqrt({{ safe_divide('(' ~ share ~ ' * (1 - ' ~ share ~ ') + ' ~ spread ~ ' / 4)', whole) }})
            ) / (1 + {{ spread }})
        )
    end
{%- endmacro %}
