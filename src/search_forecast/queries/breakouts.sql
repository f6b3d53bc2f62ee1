-- Terms breaking out: searched far more on the last day than the same weekdays before let expect.
-- grain: one row per term, largest excess first; none if none breaks out, or under four such weekdays came before
-- inputs: daily_totals, daily_term_counts
-- parameters:
--   day DATE = null: the day; null for the last there is, of which what it has so far is judged
--   minimum INT = 10: how many searches of the term the day must have
--   limit INT = 20: how many terms
with shown as (
  select
    event_date,
    search_count
  from daily_totals
  where event_date = coalesce(:day, (select max(event_date) from daily_totals))
),

weekdays as (
  select
    daily_totals.event_date,
    shown.event_date as shown_date,
    shown.search_count * 1e0 / daily_totals.search_count as scale
  from daily_totals
  cross join shown
  where daily_totals.search_count > 0
    and datediff(shown.event_date, daily_totals.event_date) between 7 and 56
    and datediff(shown.event_date, daily_totals.event_date) % 7 = 0
),

known as (
  select count(*) as day_count
  from weekdays
),

seen as (
  select
    daily_term_counts.term,
    daily_term_counts.search_count
  from daily_term_counts
  inner join shown
    on shown.event_date = daily_term_counts.event_date
  where daily_term_counts.search_count >= :minimum
),

usual as (
  select
    daily_term_counts.term,
    sum(daily_term_counts.search_count * weekdays.scale) as scaled_sum,
    sum(daily_term_counts.search_count * weekdays.scale * daily_term_counts.search_count * weekdays.scale) as square_sum,
    max(daily_term_counts.search_count * weekdays.scale) as most
  from daily_term_counts
  inner join weekdays
    on weekdays.event_date = daily_term_counts.event_date
  group by daily_term_counts.term
),

expected as (
  select
    seen.term,
    seen.search_count,
    known.day_count,
    coalesce(usual.scaled_sum, 0e0) / known.day_count as mean,
    coalesce(usual.square_sum, 0e0) as square_sum,
    coalesce(usual.most, 0e0) as most
  from seen
  cross join known
  left join usual
    on usual.term = seen.term
  where known.day_count >= 4
),

compared as (
  select
    term,
    search_count,
    mean,
    most,
    day_count,
    greatest(mean, (square_sum - day_count * mean * mean) / (day_count - 1), 1e0) as variance
  from expected
)

select
  term,
  search_count,
  round(mean, 2) as expected_count,
  round(most, 2) as most_before,
  day_count as weekday_count
from compared
-- at least twice what is expected, more than on any of those days, five standard deviations above
where search_count >= 2 * mean
  and search_count > most
  and (search_count - mean) * (search_count - mean) > 25 * variance * (1 + 1e0 / day_count)
order by search_count - mean desc, term
limit :limit
