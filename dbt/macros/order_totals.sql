{# Totals of orders: their number, the number of frauds, the amounts of both, and their content hash. #}
{% macro order_totals() -%}
    count(*) as total_orders,
    count(case when is_fraud then 1 end) as fraud_orders,
    {{ total('amount') }} as total_amount,
    {{ total('case when is_fraud then amount else 0 end') }} as fraud_amount,
    bit_xor(row_hash) as content_hash
{%- endmacro %}


{# The same totals, from rows that have them of a part each; of a relation where it is named. #}
{% macro summed_order_totals(relation=none) -%}
    {%- set prefix = relation ~ '.' if relation else '' -%}
    {{ total(prefix ~ 'total_orders') }} as total_orders,
    {{ total(prefix ~ 'fraud_orders') }} as fraud_orders,
    {{ total(prefix ~ 'total_amount') }} as total_amount,
    {{ total(prefix ~ 'fraud_amount') }} as fraud_amount
{%- endmacro %}
