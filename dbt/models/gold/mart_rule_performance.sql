{{ config(materialized='view') }}

-- A view: labels come at any time, and change what was known of past dates.
with hits as (
    select
        business_date,
        rule,
        ruleset_version,
        mode,
        {{ total('total_hits') }} as hits,
        {{ total(in_mart_currency('total_amount')) }} as hit_amount
    from {{ ref('agg_daily_rule_hits') }}
    group by business_date, rule, ruleset_version, mode
),

labelled as (
    select
        hits.business_date,
        hits.rule,
        orders.ruleset_version,
        hits.mode,
        count(case when orders.verdict = 'fraud' then 1 end) as fraud_hits,
        count(case when orders.verdict = 'legitimate' then 1 end) as legitimate_hits,
        {{ total(in_mart_currency("case when orders.verdict = 'fraud' then orders.amount else 0 end", 'orders.currency')) }} as fraud_amount,
        {{ total(in_mart_currency("case when orders.verdict = 'legitimate' then orders.amount else 0 end", 'orders.currency')) }} as legitimate_amount
    from {{ ref('fct_rule_hits') }} as hits
    inner join {{ ref('int_labelled_orders') }} as orders
        on hits.business_date = orders.business_date and hits.order_id = orders.order_id
    where
        {{ is_any_date('hits.business_date') }}
        and {{ is_any_date('orders.business_date') }}
    group by hits.business_date, hits.rule, orders.ruleset_version, hits.mode
),

fraud as (
    select
        business_date,
        ruleset_version,
        count(*) as all_fraud
    from {{ ref('int_labelled_orders') }}
    where {{ is_any_date() }} and verdict = 'fraud'
    group by business_date, ruleset_version
),

counted as (
    select
        hits.business_date,
        hits.rule,
        hits.ruleset_version,
        hits.mode,
        hits.hits,
        hits.hit_amount,
        coalesce(labelled.fraud_hits, 0) as fraud_hits,
        coalesce(labelled.fraud_amount, 0) as fraud_amount,
        coalesce(labelled.legitimate_hits, 0) as legitimate_hits,
        coalesce(labelled.legitimate_amount, 0) as legitimate_amount,
        coalesce(labelled.fraud_hits, 0) + coalesce(labelled.legitimate_hits, 0) as labelled_hits,
        coalesce(fraud.all_fraud, 0) as all_fraud
    from hits
    left join labelled
        on
            hits.business_date = labelled.business_date
            and hits.rule = labelled.rule
            and hits.ruleset_version = labelled.ruleset_version
            and hits.mode = labelled.mode
    left join fraud
        on hits.business_date = fraud.business_date and hits.ruleset_version = fraud.ruleset_version
)

select
    -- ids
    business_date,
    rule,
    ruleset_version,
    mode,

    -- facts
    {{ dbt.datediff('business_date', 'max(business_date) over ()', 'day') }} >= {{ var('label_days') }} as is_mature,
    hits,
    hit_amount,
    fraud_hits,
    fraud_amount,
    legitimate_hits,
    legitimate_amount,
    labelled_hits,
    {{ safe_divide('fraud_hits', 'labelled_hits') }} as precision,
    {{ wilson_bound('fraud_hits', 'labelled_hits', '-') }} as precision_low,
    {{ wilson_bound('fraud_hits', 'labelled_hits', '+') }} as precision_high,
    all_fraud,
    {{ safe_divide('fraud_hits', 'all_fraud') }} as recall,
    {{ wilson_bound('fraud_hits', 'all_fraud', '-') }} as recall_low,
    {{ wilson_bound('fraud_hits', 'all_fraud', '+') }} as recall_high
from counted
