with calendar as (
    {{ dates_between(var('calendar_start'), var('calendar_end')) | indent(4) }}
),

days as (
    select business_date
    from calendar
    union distinct
    select business_date
    from {{ ref('agg_daily_payment_hour_orders') }}
),

weeks as (
    select
        business_date,
        {{ week_start('business_date') }} as week_start
    from days
),

numbered as (
    select
        business_date,
        week_start,
        {{ dbt.datediff('week_start', 'business_date', 'day') }} + 1 as day_of_week
    from weeks
)

select
    business_date,
    week_start,
    {{ month_of('business_date') }} as month_start,
    extract(year from business_date) as year,
    extract(quarter from business_date) as quarter,
    extract(month from business_date) as month,
    extract(day from business_date) as day_of_month,
    day_of_week,
    case day_of_week
        when 1 then 'Monday'
        when 2 then 'Tuesday'
        when 3 then 'Wednesday'
        when 4 then 'Thursday'
        when 5 then 'Friday'
        when 6 then 'Saturday'
        else 'Sunday'
    end as day_name,
    day_of_week >= 6 as is_weekend
from numbered
