{# The time zone of business dates and hours. Not a variable: the loads cut dates in it. #}
{% macro business_time_zone() -%}
    Asia/Jakarta
{%- endmacro %}


{# A moment as date and time of day in the business time zone, without a zone. #}
{% macro business_datetime(moment) -%}
    {{ return(adapter.dispatch('business_datetime')(moment)) }}
{%- endmacro %}

{% macro bigquery__business_datetime(moment) -%}
    datetime({{ moment }}, '{{ business_time_zone() }}')
{%- endmacro %}

{% macro duckdb__business_datetime(moment) -%}
    ({{ moment }} at time zone '{{ business_time_zone() }}')
{%- endmacro %}


{# The Monday of the week that a date lies in. #}
{% macro week_start(date) -%}
    {{ return(adapter.dispatch('week_start')(date)) }}
{%- endmacro %}

{% macro bigquery__week_start(date) -%}
    date_trunc({{ date }}, isoweek)
{%- endmacro %}

{% macro duckdb__week_start(date) -%}
    cast(date_trunc('week', {{ date }}) as date)
{%- endmacro %}


{# A query of all dates from the first to the last, in column `business_date`. Both are ISO texts. #}
{% macro dates_between(first, last) -%}
    {{ return(adapter.dispatch('dates_between')(first, last)) }}
{%- endmacro %}

{% macro bigquery__dates_between(first, last) -%}
    select business_date
    from unnest(generate_date_array(date '{{ first }}', date '{{ last }}')) as business_date
{%- endmacro %}

{% macro duckdb__dates_between(first, last) -%}
    select cast(day as date) as business_date
    from generate_series(date '{{ first }}', date '{{ last }}', interval 1 day) as days (day)
{%- endmacro %}


{# The first date of the month that a date lies in. #}
{% macro month_of(date) -%}
    cast({{ dbt.date_trunc('month', date) }} as date)
{%- endmacro %}


{# The first date of the month that a moment lies in, in the business time zone. #}
{% macro month_start(moment) -%}
    {{ month_of('cast(' ~ business_datetime(moment) ~ ' as date)') }}
{%- endmacro %}
