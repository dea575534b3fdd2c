{# Totals of orders: their number, the number of frauds, the amounts of both, and their content hash. #}
{% macro order_totals() -%}
    count(*) as total_orders,
    count(case when is_fraud then 1 end) as fraud_orders,
    {{ total('amount') }} as total_amount,
    {{ total('case when is_fraud then amount else 0 end') }} as fraud_amount,
    bit_xor(row_hash) as content_hash
{%- endmacro %}
