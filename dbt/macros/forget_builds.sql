{#
    Before a build: what it is about to replace no longer counts as built, until its last models say so again. So a
    build that was killed or failed can never leave a date behind that looks built.
#}
{% macro forget_builds() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set dates = adapter.get_relation(target.database, layer_schema('silver'), 'built_dates') -%}
        {%- if dates is not none and (flags.FULL_REFRESH or requested_dates() is not none) -%}
            {%- do run_query('delete from ' ~ dates ~ ' where ' ~ ('true' if flags.FULL_REFRESH else is_requested())) -%}
        {%- endif -%}
        {%- set months = adapter.get_relation(target.database, layer_schema('silver'), 'built_months') -%}
        {%- if months is not none -%}
            {%- do run_query('delete from ' ~ months ~ ' where true') -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
