"""Tables of demand forecasts: what is forecast, how good it was in backtests and in use, and drift."""

from search_forecast.lakehouse.contracts.base import BOOLEAN, DATE, LONG, RATIO, STRING, TIMESTAMP, Table, TableColumn
from search_forecast.lakehouse.contracts.searches import SEARCH_COUNT

TOTAL, OTHER, ALL = "(total)", "(other)", "(all)"  # in place of a term
_MODEL_VERSION = TableColumn("model_version", LONG, "Version of the registered model `search_demand`")
_FORECAST_TERM = TableColumn(
    "term",
    STRING,
    "Search term; `(total)` is all searches, `(other)` the terms below the floor together",
)

CALENDAR_EVENTS = Table(
    "gold",
    "calendar_events",
    "(event_date, event, term)",
    (
        TableColumn("event_date", DATE, "Day, past or to come"),
        TableColumn("event", STRING, "What it is called, such as `Christmas Day` or `Black Friday`"),
        TableColumn("kind", STRING, "`holiday`, `campaign` or `closure`"),
        TableColumn("term", STRING, "Search term that it concerns; null for all", nullable=True),
    ),
    checks={"kind": "kind in ('holiday', 'campaign', 'closure')", "named": "length(event) > 0"},
)

TERM_FORECASTS = Table(
    "gold",
    "term_forecasts",
    "(term, target_date, model_version, interval_level, made_on_date)",
    (
        _FORECAST_TERM,
        TableColumn("target_date", DATE, "Day that is forecast; of a weekly forecast the Monday its week begins with"),
        _MODEL_VERSION,
        TableColumn("interval_level", RATIO, "Share of actual counts that shall lie between lower and upper, 0..1"),
        TableColumn("made_on_date", DATE, "Last day (or Monday of the last week) of the counts it was made from"),
        TableColumn("horizon_days", LONG, "Days from made_on_date to target_date"),
        TableColumn("forecast", RATIO, "Expected number of searches"),
        TableColumn("lower", RATIO, "Lower end of the interval, searches; never below 0"),
        TableColumn("upper", RATIO, "Upper end of the interval, searches"),
        TableColumn("mean_forecast", RATIO, "What the historic mean forecasts, searches: the baseline to beat"),
        TableColumn(
            "candidate",
            STRING,
            "What the forecast is made of: the methods with most weight, such as `ets 62 %, theta 30 %`",
        ),
        TableColumn("model_name", STRING, "Registered model"),
        TableColumn(
            "events",
            STRING,
            "The day's event and the factor that the forecast counts on, with its 95 % interval, such as "
            "`campaign Black Friday: x 2.41 (1.92 to 3.03)`; null where the calendar has none",
            nullable=True,
        ),
        TableColumn(
            "scored_at",
            TIMESTAMP,
            "When that version last forecast from these counts, UTC: of the forecasts made on a day the latest counts",
            backfill="cast(made_on_date as timestamp)",
        ),
    ),
    checks={
        "ordered": "lower >= 0 and lower <= forecast and forecast <= upper",
        "ahead": "target_date > made_on_date and horizon_days > 0",
        "level": "interval_level > 0 and interval_level < 1",
    },
    cluster_by=("made_on_date", "term"),
)

BACKTEST_METRICS = Table(
    "gold",
    "backtest_metrics",
    "(model_version, candidate, term)",
    (
        _MODEL_VERSION,
        TableColumn(
            "candidate",
            STRING,
            "Forecasting method; `selection`: the weighted mean of the others that forecasts the term, its weights "
            "learnt without the window measured",
        ),
        TableColumn(
            "term",
            STRING,
            "Search term, `(other)`, `(total)`; `(all)`: all but `(total)` that the candidate suits",
        ),
        TableColumn(
            "wape",
            RATIO,
            "Sum of absolute errors / sum of actual counts; null where nothing was searched",
            nullable=True,
        ),
        TableColumn(
            "mase",
            RATIO,
            "Mean absolute error / that of the seasonal naive in the training part; null where that is 0",
            nullable=True,
        ),
        TableColumn(
            "smape",
            RATIO,
            "Mean of absolute error / (actual + forecast), 0..1, half the M4 competition's; null where not measured",
            nullable=True,
        ),
        TableColumn(
            "rmsse",
            RATIO,
            "Root of (mean squared error / that of the seasonal naive in the training part); null where that is 0",
            nullable=True,
        ),
        TableColumn(
            "bias",
            RATIO,
            "Sum of (forecast - actual) / sum of actual counts: above 0 is too much; null where nothing was searched",
            nullable=True,
        ),
        TableColumn(
            "interval_coverage",
            RATIO,
            "Share of actual counts inside the 95 % interval, 0..1; null where not measured",
            nullable=True,
        ),
        TableColumn(
            "interval_coverage_80",
            RATIO,
            "Share of actual counts inside the 80 % interval, 0..1; null where not measured",
            nullable=True,
        ),
        TableColumn(
            "poisson_floor_wape",
            RATIO,
            "WAPE that chance alone gives a forecast that is right, counts being Poisson; null where not measured",
            nullable=True,
        ),
        TableColumn(
            "multinomial_floor_wape",
            RATIO,
            "The same where each day's total is given and only the mix is chance; null where not measured",
            nullable=True,
        ),
        TableColumn("window_count", LONG, "Backtest windows it was measured on"),
        TableColumn("is_champion", BOOLEAN, "Whether this row says what forecasts the term: that of `selection`"),
        TableColumn(
            "p_value",
            RATIO,
            "On the champion's row: how likely chance makes the best candidate look this much better than the mean and "
            "the seasonal naive; null where not tested",
            nullable=True,
        ),
        TableColumn(
            "verdict",
            STRING,
            "On the champion's row: `forecastable`, `no better than the mean`, `no better than the seasonal naive` or "
            "`too short to tell`; null on other rows",
            nullable=True,
        ),
        TableColumn(
            "reason",
            STRING,
            "Why there are no numbers, or what is odd in the series; null where nothing is",
            nullable=True,
        ),
        TableColumn(
            "weight_ratio",
            RATIO,
            "Share of the forecast that this candidate makes, 0..1; null where it makes none",
            nullable=True,
        ),
    ),
    checks={
        "not_negative": "window_count >= 0 and coalesce(wape, 0) >= 0 and coalesce(mase, 0) >= 0",
        "coverage": "coalesce(interval_coverage, 0) between 0 and 1",
        "narrow_coverage": "coalesce(interval_coverage_80, 0) between 0 and 1",
        "champion_has_verdict": "is_champion = (verdict is not null)",
        "weight": "coalesce(weight_ratio, 0) between 0 and 1",
    },
    cluster_by=("model_version",),
)

FORECAST_ACCURACY = Table(
    "gold",
    "forecast_accuracy",
    "(model_version, made_on_date, window), the terms together",
    (
        _MODEL_VERSION,
        TableColumn("made_on_date", DATE, "Last day of the counts the forecasts were made from"),
        TableColumn("window", STRING, "Days ahead, such as `1-7`, `8-14`; only windows of which every day has come"),
        TableColumn("first_target_date", DATE, "First day of the window"),
        TableColumn("last_target_date", DATE, "Last day of the window"),
        TableColumn("term_count", LONG, "Terms compared, `(other)` among them, `(total)` not"),
        TableColumn("actual_count", LONG, "Searches that came in the window"),
        TableColumn(
            "wape",
            RATIO,
            "Sum of absolute errors / sum of actual counts; null where nothing was searched",
            nullable=True,
        ),
        TableColumn(
            "mean_wape",
            RATIO,
            "The same for the historic mean at made_on_date; null where nothing was searched",
            nullable=True,
        ),
        TableColumn(
            "mase",
            RATIO,
            "Mean over terms of: mean absolute error / the seasonal naive's before made_on_date; null where that is 0",
            nullable=True,
        ),
        TableColumn("interval_coverage", RATIO, "Share of actual counts inside the 95 % interval, 0..1"),
        TableColumn(
            "skill_ratio",
            RATIO,
            "1 - wape / mean_wape: above 0 better than the mean, below 0 worse; null where mean_wape is 0 or null",
            nullable=True,
        ),
    ),
    checks={"coverage": "interval_coverage between 0 and 1", "in_order": "first_target_date <= last_target_date"},
)

DEMAND_DRIFT = Table(
    "gold",
    "demand_drift",
    "(model_version, window): its mix of terms against that of the training days",
    (
        _MODEL_VERSION,
        TableColumn("window", STRING, "First and last day, as 2026-01-05/2026-01-11"),
        TableColumn("first_date", DATE, "First day of the window"),
        TableColumn("last_date", DATE, "Last day of the window"),
        SEARCH_COUNT,
        TableColumn("training_count", LONG, "Searches in the training days"),
        TableColumn("term_count", LONG, "Terms compared; those too rare for a test count as one, `(other)`"),
        TableColumn(
            "psi", RATIO, "Population stability index, less what chance alone gives samples of these sizes; 0 or more"
        ),
        TableColumn("js_distance", RATIO, "Jensen-Shannon distance, square root of the divergence in bits, 0..1"),
        TableColumn(
            "chi_square", RATIO, "Pearson's chi-square of the two samples, divided by the day-to-day dispersion"
        ),
        TableColumn("p_value", RATIO, "How likely chance makes the mixes differ this much, 0..1"),
        TableColumn("is_drifted", BOOLEAN, "p_value and psi both beyond their limits: neither chance nor a trifle"),
    ),
    checks={"ratios": "p_value between 0 and 1 and js_distance between 0 and 1 and psi >= 0"},
)
