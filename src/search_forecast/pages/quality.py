"""How good the data and the forecasts are: what was rejected, whether the layers agree, errors beside the baselines'.

Each is None where its table is absent or (all but the rejected records) empty.
"""

from search_forecast.pages.history import TERM_COUNT
from search_forecast.pages.reading import Facts, Rows, is_there, query, rows
from search_forecast.queries.answers import Engine

_SHOWN = ("selection", "historic_mean", "seasonal_naive", "naive")  # of versions that no longer forecast

_REASONS = """
with broken as (select explode(reject_reasons) as reason from rejected_records)
select reason, count(*) as record_count from broken group by reason order by record_count desc, reason
"""
_BATCHES = """
select count(*) as batch_count, sum(delivered_count) as delivered_count, sum(raw_count) as raw_count,
  sum(event_count) as event_count, sum(rejected_count) as rejected_count, sum(search_count) as search_count,
  sum(case when reconciled then 1 else 0 end) as reconciled_count
from batches
"""
_DELIVERIES = """
select status, count(*) as delivery_count, coalesce(sum(record_count), 0) as record_count
from deliveries
group by status
order by status
"""
_VERSIONS = """
select model_version, candidate, wape, mase, rmsse, interval_coverage, window_count
from backtest_metrics
where term = '(all)'
order by model_version desc, candidate
"""
_VERDICTS = """
select verdict, count(*) as series_count from backtest_metrics
where is_champion and model_version = :version
group by verdict
"""


def rejected(engine: Engine) -> Rows | None:
    """How many records broke each rule."""
    if not engine.has("search_silver.rejected_records"):
        return None
    return rows(engine.run(_REASONS, {}, ["rejected_records"]))


def batches(engine: Engine) -> Facts | None:
    """What all batches together brought, and the latest one by one."""
    if not is_there(engine, "batches"):
        return None
    [totals] = rows(engine.run(_BATCHES, {}, ["batches"]))
    return {**totals, "latest": query(engine, "batch_checks", limit="10")}


def deliveries(engine: Engine) -> Rows | None:
    """How many files had each fate: not which, as the page is made to be sent."""
    if not is_there(engine, "deliveries"):
        return None
    return rows(engine.run(_DELIVERIES, {}, ["deliveries"]))


def models(engine: Engine) -> Facts | None:
    """The backtest of the version that forecasts, candidate by candidate and term by term; all versions' in short."""
    if not is_there(engine, "backtest_metrics"):
        return None
    candidates = query(engine, "backtest_candidates")
    # Errors compare only where they were measured on the same terms.
    term_count = max((row["term_count"] for row in candidates if row["candidate"] == "selection"), default=0)
    terms = query(engine, "forecastable_terms", limit=str(TERM_COUNT + 2))  # and (total), (other)
    version = max((row["model_version"] for row in (*candidates, *terms)), default=0)  # of which (all) may lack
    return {
        "version": version,
        "candidates": [row for row in candidates if row["term_count"] == term_count and row["wape"] is not None],
        "terms": terms[:50],
        "verdict_of": {row["term"]: row["verdict"] for row in terms},
        "verdicts": dict(engine.run(_VERDICTS, {"version": version}, ["backtest_metrics"]).rows),
        "versions": [
            row for row in rows(engine.run(_VERSIONS, {}, ["backtest_metrics"])) if row["candidate"] in _SHOWN
        ],
    }


def accuracy(engine: Engine) -> Rows | None:
    """Past forecasts beside what came, newest first."""
    return query(engine, "forecast_accuracy_by_date") if is_there(engine, "forecast_accuracy") else None
