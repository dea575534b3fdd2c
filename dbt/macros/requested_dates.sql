{#
    The business dates that this run was asked for, with vars `start_date` and `end_date`, as ISO texts in order;
    none when it was not asked for any.
#}
{% macro requested_dates() %}
    {%- set first, last = var('start_date', none), var('end_date', none) -%}
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


{# Whether a row is of the requested dates or lies so many days around them; true when none were requested. #}
{% macro is_requested(date_column='business_date', days_around=0) -%}
    {%- set dates = requested_dates() -%}
    {%- if dates is none -%}
        true
    {%- else -%}
        {%- set around = modules.datetime.timedelta(days=days_around) -%}
        {%- set first = modules.datetime.date.fromisoformat(dates | first) - around -%}
        {%- set last = modules.datetime.date.fromisoformat(dates | last) + around -%}
        {{ date_column }} between date '{{ first }}' and date '{{ last }}'
    {%- endif -%}
{%- endmacro %}


{#
    What an incremental model reads of its source: the requested dates, or without any those that it does not have yet.
    What is built anew is built of everything.
#}
{% macro is_to_be_built(date_column='business_date') -%}
    {%- if not is_incremental() -%}
        true
    {%- elif requested_dates() is none -%}
        {{ date_column }} not in (select distinct built.business_date from {{ this }} as built)
    {%- else -%}
        {{ is_requested(date_column) }}
    {%- endif -%}
{%- endmacro %}


{#
    Ends a model whose dates are read one by one. BigQuery has partitions; DuckDB skips what does not hold a date by where
    it lies, so that what is built at once has to be laid down by date.
#}
{% macro in_order_of_dates() -%}
    {% if target.type == 'duckdb' and not is_incremental() -%} order by business_date {%- endif %}
{%- endmacro %}


{# Partitions by business date, where the warehouse has any. #}
{% macro by_business_date() %}
    {{ return({'field': 'business_date', 'data_type': 'date'} if target.type == 'bigquery' else none) }}
{% endmacro %}


{# The requested dates as BigQuery's partitions to replace, so that dates without rows are emptied; none: those found. #}
{% macro requested_partitions() %}
    {%- set partitions = [] -%}
    {%- for day in requested_dates() or [] -%}
        {%- do partitions.append("date '" ~ day ~ "'") -%}
    {%- endfor -%}
    {{ return(partitions or none) }}
{% endmacro %}
