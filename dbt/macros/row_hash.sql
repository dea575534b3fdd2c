{#
    The content hash of a row of a raw table, as order_batch/warehouse/content_hash.py has it: the first 60 bits of the
    MD5 of its columns as text, in the order of the source. What is built carries it, so that it can be compared.
    It comes with the row from Postgres; of rows that an earlier release has loaded, or whose user was erased, it is computed.
#}
{% macro row_hash(table) -%}
    {%- if not execute -%}
        {{ return('0') }}
    {%- endif -%}
    {%- set source = graph.sources.values() | selectattr('source_name', 'equalto', 'raw') | selectattr('name', 'equalto', table) | first -%}
    {%- set texts = [] -%}
    {%- for column in source.columns.values() if column.name != 'row_hash' -%}
        {%- if column.data_type == 'string' -%}
            {%- do texts.append(column.name) -%}
        {%- elif column.data_type == 'date' -%}
            {%- do texts.append(dbt.cast(unix_days(column.name), dbt.type_string())) -%}
        {%- elif column.data_type.startswith('timestamp') -%}
            {%- do texts.append(dbt.cast(unix_micros(column.name), dbt.type_string())) -%}
        {%- else -%}
            {%- do texts.append(dbt.cast(column.name, dbt.type_string())) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return('coalesce(row_hash, ' ~ adapter.dispatch('hash_texts')(texts) ~ ')') }}
{%- endmacro %}

{% macro bigquery__hash_texts(texts) -%}
    cast(concat('0x', substr(to_hex(md5(array_to_string([{{ texts | join(', ') }}], '\x1f', '\x1e'))), 1, 15)) as int64)
{%- endmacro %}

{% macro duckdb__hash_texts(texts) -%}
    cast('0x' || substr(md5(concat_ws(chr(31)
    {%- for text in texts %}, coalesce({{ text }}, chr(30)){% endfor -%}
    )), 1, 15) as bigint)
{%- endmacro %}


{# Days since 1970 of a date. #}
{% macro unix_days(date) -%}
    {{ return(adapter.dispatch('unix_days')(date)) }}
{%- endmacro %}

{% macro bigquery__unix_days(date) -%}
    unix_date({{ date }})
{%- endmacro %}

{% macro duckdb__unix_days(date) -%}
    ({{ date }} - date '1970-01-01')
{%- endmacro %}
