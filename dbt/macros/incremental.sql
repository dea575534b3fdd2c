{#
    Strategy `replace_dates`, for DuckDB what insert_overwrite is for BigQuery: whole dates, or months where a model has
    no business_date, in one transaction. Where the SQL says that it only adds dates to months (months.sql), no more than the
    rows that change.
#}
{% macro get_incremental_replace_dates_sql(arguments) %}
    {%- set target_relation = arguments.target_relation -%}
    {%- set names = arguments.dest_columns | map(attribute='name') | list -%}
    {%- set columns = get_quoted_csv(names) -%}
    {%- set by_date = 'business_date' in names -%}
    {%- set replaced = 'business_date' if by_date else 'month_start' %}
    delete from {{ target_relation }}
    where
        {% if requested_dates() is none -%}
        {{ replaced }} in (select built.{{ replaced }} from {{ arguments.temp_relation }} as built)
        {%- else -%}
        {{ is_requested() if by_date else is_in_requested_months() }}
        {%- endif %}
        {%- if '-- only adds dates to months' in sql %}
        and {{ has_same_values(target_relation, arguments.temp_relation, arguments.unique_key) }}
        {%- endif %};
    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }}
    from {{ arguments.temp_relation }}
{% endmacro %}


{# As in dbt, except that var `compile_as_incremental` overrides it where no warehouse can be queried: see tests_python. #}
{% macro is_incremental() %}
    {%- set answer = var('compile_as_incremental', none) -%}
    {%- if answer is not none -%}
        {{ return(answer and config.get('materialized') == 'incremental') }}
    {%- endif -%}
    {{ return(dbt.is_incremental()) }}
{% endmacro %}


{#
    A model that has become a view takes the place of its table at once, as it does on DuckDB: where nothing was refreshed
    in full, dbt would refuse it on BigQuery. Tables are made of raw tables, so nothing is lost.
#}
{% macro bigquery__handle_existing_table(full_refresh, old_relation) %}
    {{ dbt.default__handle_existing_table(full_refresh, old_relation) }}
{% endmacro %}


{#
    As in dbt, except on BigQuery, where dbt would compare the columns by way of a temporary table and so write each date
    twice. Models whose definition has changed are rebuilt in full before dates are merged into them (docs/upgrading.md).
#}
{% macro incremental_validate_on_schema_change(on_schema_change, default='ignore') %}
    {%- if target.type == 'bigquery' -%}
        {{ return('ignore') }}
    {%- endif -%}
    {{ return(dbt.incremental_validate_on_schema_change(on_schema_change, default)) }}
{% endmacro %}


{# Whether a relation has a row with the same values in these columns. #}
{% macro has_same_values(relation, other, columns) -%}
    exists (
        select 1 from {{ other }} as other
        where {% for column in columns %}{{ 'and ' if not loop.first }}other.{{ column }} = {{ relation }}.{{ column }} {% endfor %}
    )
{%- endmacro %}
