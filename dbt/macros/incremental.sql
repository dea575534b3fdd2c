{# Strategy `replace_dates`, for DuckDB what insert_overwrite is for BigQuery: whole dates, in one transaction. #}
{% macro get_incremental_replace_dates_sql(arguments) %}
    {%- set columns = get_quoted_csv(arguments.dest_columns | map(attribute='name')) %}
    delete from {{ arguments.target_relation }}
    where
        {% if requested_dates() is none -%}
        business_date in (select built.business_date from {{ arguments.temp_relation }} as built)
        {%- else -%}
        {{ is_requested() }}
        {%- endif %};
    insert into {{ arguments.target_relation }} ({{ columns }})
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
