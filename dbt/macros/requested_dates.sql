{#
    The business dates that were requested, with vars `start_date` and `end_date` or with the environment's
    ORDERWATCH_START_DATE and ORDERWATCH_END_DATE, as ISO texts in order; none if none were requested.

    Where a var differs from the last run's, dbt parses the whole project again; where the environment does, only the models
    that read it while they are parsed. On DuckDB none does: only BigQuery's partitions are needed by then.
#}
{% macro requested_dates() %}
    {%- set first, last = var('start_date', none), var('end_date', none) -%}
    {%- if first is none and last is none and (execute or target.type == 'bigquery') -%}
        {%- set first = env_var('ORDERWATCH_START_DATE', '') or none -%}
        {%- set last = env_var('ORDERWATCH_END_DATE', '') or none -%}
    {%- endif -%}
    {%- if first is none and last is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- for name, text in [('start_date', first), ('end_date', last)] -%}
        {%- if not modules.re.fullmatch('[0-9]{4}-[0-9]{2}-[0-9]{2}', text | string) -%}
            {{ exceptions.raise_compiler_error(
                "var " ~ name ~ " is " ~ text ~ ": write both start_date and end_date as dates like 2026-11-21") }}
        {%- endif -%}
    {%- endfor -%}
    {%- set day = modules.datetime.date.fromisoformat(first | string) -%}
    {%- set end = modules.datetime.date.fromisoformat(last | string) -%}
    {%- if end < day -%}
        {{ exceptions.raise_compiler_error("var end_date " ~ last ~ " lies before start_date " ~ first) }}
    {%- endif -%}
    {%- set dates = [] -%}
    {%- for days in range((end - day).days + 1) -%}
        {%- do dates.append((day + modules.datetime.timedelta(days=days)).isoformat()) -%}
    {%- endfor -%}
    {{ return(dates) }}
{% endmacro %}


{# Whether a row is of any date: a condition all the same, as BigQuery's facts and raw tables refuse queries without one. #}
{% macro is_any_date(date_column='business_date') -%}
    {{ date_column }} >= date '0001-01-01'
{%- endmacro %}


{# Whether a row is within the requested dates, or so many days around them; of any date if none were requested. #}
{% macro is_requested(date_column='business_date', days_around=0) -%}
    {%- set dates = requested_dates() -%}
    {%- if dates is none -%}
        {{ is_any_date(date_column) }}
    {%- else -%}
        {%- set around = modules.datetime.timedelta(days=days_around) -%}
        {%- set first = modules.datetime.date.fromisoformat(dates | first) - around -%}
        {%- set last = modules.datetime.date.fromisoformat(dates | last) + around -%}
        {{ date_column }} between date '{{ first }}' and date '{{ last }}'
    {%- endif -%}
{%- endmacro %}


{#
    Filter of an incremental model's source: the requested dates, or, if none were requested, those that the model lacks.
    A full build reads everything.
#}
{% macro incremental_filter(date_column='business_date') -%}
    {%- if not is_incremental() -%}
        {{ is_any_date(date_column) }}
    {%- elif requested_dates() is none -%}
        {{ is_any_date(date_column) }}
        and {{ date_column }} not in (
            select distinct built.business_date from {{ this }} as built where {{ is_any_date('built.business_date') }}
        )
    {%- else -%}
        {{ is_requested(date_column) }}
    {%- endif -%}
{%- endmacro %}


{# The months of the requested dates, as ISO texts of their first days in order; none if no dates were requested. #}
{% macro requested_months() %}
    {%- set dates = requested_dates() -%}
    {%- if dates is none -%}
        {{ return(none) }}
    {%- endif -%}
    {%- set months = [] -%}
    {%- for day in dates -%}
        {%- set month = day[:7] ~ '-01' -%}
        {%- if month not in months -%}
            {%- do months.append(month) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(months) }}
{% endmacro %}


{# Whether a date is within the months of the requested dates; any date if none were requested. #}
{% macro is_in_requested_months(date_column='month_start') -%}
    {%- set months = requested_months() -%}
    {%- if months is none -%}
        {{ is_any_date(date_column) }}
    {%- else -%}
        {%- set last = modules.datetime.date.fromisoformat(months | last) -%}
        {%- set next_month = (last + modules.datetime.timedelta(days=31)).replace(day=1) -%}
        {{ date_column }} >= date '{{ months | first }}' and {{ date_column }} < date '{{ next_month }}'
    {%- endif -%}
{%- endmacro %}


{#
    Filter of the source of an incremental model that is built by month: whole months of the requested dates; all when
    none were requested, as the model cannot know which months gained dates.
#}
{% macro incremental_month_filter(date_column='business_date') -%}
    {{ is_in_requested_months(date_column) if is_incremental() else is_any_date(date_column) }}
{%- endmacro %}


{#
    Last clause of a model that is read date by date. BigQuery has partitions; DuckDB skips blocks by their range of
    dates, so a full build is sorted by date.
#}
{% macro order_by_date() -%}
    {% if target.type == 'duckdb' and not is_incremental() -%} order by business_date {%- endif %}
{%- endmacro %}


{# Partitioning by business date, where the warehouse supports it. #}
{% macro by_business_date() %}
    {{ return({'field': 'business_date', 'data_type': 'date'} if target.type == 'bigquery' else none) }}
{% endmacro %}


{# Partitioning by month, where the warehouse supports it. #}
{% macro by_month() %}
    {%- set partition = {'field': 'month_start', 'data_type': 'date', 'granularity': 'month'} -%}
    {{ return(partition if target.type == 'bigquery' else none) }}
{% endmacro %}


{# The requested dates as partitions for BigQuery to replace, so that dates without rows are emptied; else those found. #}
{% macro requested_partitions() %}
    {{ return(as_partitions(requested_dates())) }}
{% endmacro %}


{# The months of the requested dates, likewise. #}
{% macro requested_month_partitions() %}
    {{ return(as_partitions(requested_months())) }}
{% endmacro %}


{# ISO texts as date literals; none if there are none. #}
{% macro as_partitions(days) %}
    {%- set partitions = [] -%}
    {%- for day in days or [] -%}
        {%- do partitions.append("date '" ~ day ~ "'") -%}
    {%- endfor -%}
    {{ return(partitions or none) }}
{% endmacro %}
