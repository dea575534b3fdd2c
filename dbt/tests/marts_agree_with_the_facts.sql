-- Orders and amounts of each mart, and of what it is made from, are those of the facts, over all dates: what finds a date
-- that was left behind, and orders that were taken out of raw again, which only a full refresh follows.
with facts as (
    select
        count(*) as total_orders,
        count(case when status = 'fraud' then 1 end) as fraud_orders,
        sum(amount) as total_amount,
        sum(case when status = 'fraud' then amount else 0 end) as fraud_amount,
        count(case when extract(hour from created_local) < 5 then 1 end) as critical_orders,
        sum(case when extract(hour from created_local) < 5 then amount else 0 end) as critical_amount
    from {{ ref('fct_orders') }}
    where currency = '{{ var("mart_currency") }}'
),

expected as (
    select 'all hours' as hours, total_orders, fraud_orders, total_amount, fraud_amount
    from facts
    union all
    select 'critical hours' as hours, critical_orders, null as fraud_orders, critical_amount, null as fraud_amount
    from facts
),

found as (
    select
        'mart_user_blacklist_status' as relation,
        'all hours' as hours,
        sum(total_orders) as total_orders,
        sum(fraud_orders_count) as fraud_orders,
        sum(total_purchasing) as total_amount,
        sum(total_fraud_loss) as fraud_amount
    from {{ ref('mart_user_blacklist_status') }}
    union all
    select
        'mart_product_payment_methods' as relation,
        'all hours' as hours,
        sum(total_orders) as total_orders,
        sum(fraud_orders) as fraud_orders,
        sum(total_amount) as total_amount,
        sum(fraud_amount) as fraud_amount
    from {{ ref('mart_product_payment_methods') }}
    union all
    select
        'user_product_orders' as relation,
        'all hours' as hours,
        sum(total_orders) as total_orders,
        sum(fraud_orders) as fraud_orders,
        sum(total_amount) as total_amount,
        sum(fraud_amount) as fraud_amount
    from {{ ref('user_product_orders') }}
    where currency = '{{ var("mart_currency") }}'
    union all
    select
        'mart_critical_hour_payments' as relation,
        'critical hours' as hours,
        sum(total_orders) as total_orders,
        null as fraud_orders,
        sum(total_amount) as total_amount,
        null as fraud_amount
    from {{ ref('mart_critical_hour_payments') }}
)

select
    found.relation,
    found.total_orders,
    expected.total_orders as expected_orders,
    found.fraud_orders,
    expected.fraud_orders as expected_fraud_orders,
    found.total_amount,
    expected.total_amount as expected_amount,
    found.fraud_amount,
    expected.fraud_amount as expected_fraud_amount
from found
inner join expected on found.hours = expected.hours
where
    coalesce(found.total_orders, 0) <> coalesce(expected.total_orders, 0)
    or coalesce(found.fraud_orders, 0) <> coalesce(expected.fraud_orders, 0)
    or coalesce(found.total_amount, 0) <> coalesce(expected.total_amount, 0)
    or coalesce(found.fraud_amount, 0) <> coalesce(expected.fraud_amount, 0)
