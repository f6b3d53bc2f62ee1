"""Holidays, campaigns and closures: what they change is learnt, added to forecasts and said. No Spark."""

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting import forecasts, weights
from search_forecast.demand.forecasting.assessment import assessed
from search_forecast.demand.forecasting.backtest import backtested
from search_forecast.demand.forecasting.events import Calendar, Event, counted
from search_forecast.demand.forecasting.history import Floats, History
from search_forecast.demand.forecasting.mending import mended
from search_forecast.demand.known_days import undelivered
from search_forecast.demand.load_calendar import holidays_of, read_events
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.errors import DataError, UsageError
from search_forecast.parameters import ForecastParameters
from support.places import PROJECT

FIRST = date(2025, 1, 6)  # a Monday
DAYS = 280
WEEKDAYS = np.array([1.3, 1.2, 1.1, 1.0, 0.9, 0.7, 0.8])
SALE, FEAST = Event("campaign", "sale"), Event("holiday", "feast")


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def history(
    factors: dict[int, float], events: dict[int, Event], *, level: float = 80, seed: int = 1, frequency: str = "day"
) -> History:
    """Noise with a week's pattern, changed by a factor on some days."""
    rates = level * WEEKDAYS[np.arange(DAYS) % 7]
    for place, factor in factors.items():
        rates[place] *= factor
    counts = np.random.default_rng(seed).poisson(rates).astype(np.float64)
    return History(counts, day(DAYS - 1), FREQUENCIES[frequency], events_of(events))


def events_of(events: dict[int, Event]) -> dict[date, Event]:
    return {day(number): event for number, event in events.items()}


SALES = {place: 2.5 for start in (60, 150, 220) for place in range(start, start + 4)}
COMING = dict.fromkeys(range(DAYS + 3, DAYS + 6), SALE)
EVENTFUL = history(SALES, {**dict.fromkeys(SALES, SALE), **COMING})


def test_what_a_campaign_changes_is_learnt_and_said_with_its_uncertainty() -> None:
    known = counted(EVENTFUL, 14)

    assert known is not None
    assert known.factors == pytest.approx([2.5 if step in (3, 4, 5) else 1.0 for step in range(14)], rel=0.06)
    assert [step for step, text in enumerate(known.said) if text] == [3, 4, 5]
    said = re.fullmatch(r"campaign sale: x (\S+) \((\S+) to (\S+)\)", str(known.said[3]))
    assert said is not None
    middle, low, high = map(float, said.groups())
    assert low < middle < high
    assert low < 2.5 < high
    assert known.history.values[150:154].mean() == pytest.approx(80 * WEEKDAYS[[3, 4, 5, 6]].mean(), rel=0.1)
    assert not known.history.events


@pytest.mark.parametrize(("level", "factor"), [(0.4, 6.0), (1.0, 6.0), (1.0, 0.0), (3.0, 0.3)])
def test_what_an_event_changes_of_a_rarely_searched_term_is_not_taken_for_less(level: float, factor: float) -> None:
    days = dict.fromkeys(SALES, factor)
    eventful = [history(days, dict.fromkeys([*SALES, DAYS], SALE), level=level, seed=seed) for seed in range(30)]

    known = [counted(one, 1) for one in eventful]

    assert np.mean([one.factors[0] for one in known if one]) == pytest.approx(factor, rel=0.1, abs=0.1)


def test_a_day_of_a_campaign_of_which_nothing_was_delivered_says_nothing_of_it() -> None:
    values = EVENTFUL.values.copy()
    values[[61, 62, 150, 151, 153, 220, 221]] = np.nan
    forecaster = forecasts.Forecaster(day(DAYS - 1), FREQUENCIES["day"], c.chosen([]), {}, Calendar(EVENTFUL.events))

    rows = forecasts._forecast(forecaster, replace(EVENTFUL, values=values), None, 14)

    assert rows["forecast"][3] / rows["forecast"][2] == pytest.approx(2.5, rel=0.06)
    test = backtested(replace(EVENTFUL, values=values), c.chosen([]), ForecastParameters())
    assert sorted(set(EVENTFUL.events) - set(test.history.events)) == [*map(day, (61, 62, 150, 151, 153, 220, 221))]


def test_every_method_forecasts_the_coming_campaign_and_none_is_misled_by_past_ones() -> None:
    by_name, _ = c.forecasts(EVENTFUL, 14, c.chosen(["theta", "median_of_candidates"]))

    expected = 80 * WEEKDAYS[np.arange(DAYS, DAYS + 14) % 7]
    expected[3:6] *= 2.5
    np.testing.assert_allclose(by_name["theta"], expected, rtol=0.15)
    assert by_name["historic_mean"][3] / by_name["historic_mean"][2] == pytest.approx(2.5, rel=0.06)
    assert by_name["historic_mean"][0] == pytest.approx(80, rel=0.03)  # of all days, the campaigns' without them


def test_a_campaign_that_came_once_misleads_no_method_though_what_it_changes_is_not_sure() -> None:
    once = history({DAYS - 5: 12.0}, {DAYS - 5: SALE, DAYS + 2: SALE})

    known = counted(once, 14)
    by_name, _ = c.forecasts(once, 14, c.chosen(["theta"]))

    assert known is not None
    assert known.said[2] == "campaign sale: no effect that is sure"
    expected = 80 * WEEKDAYS[np.arange(DAYS, DAYS + 14) % 7]
    for name in ("theta", "seasonal_naive"):
        np.testing.assert_allclose(by_name[name], expected, rtol=0.35)


def test_the_forecast_of_an_event_is_wider_and_the_row_says_what_it_counts_on() -> None:
    forecaster = forecasts.Forecaster(day(DAYS - 1), FREQUENCIES["day"], c.chosen([]), {}, Calendar(EVENTFUL.events))
    champion = forecasts.Champion({"historic_mean": 1.0}, 9.0, False, np.ones(2))

    row = forecasts._forecast(forecaster, EVENTFUL, champion, 14)

    widths = row["upper_95"] - row["lower_95"]
    assert widths[0] == pytest.approx(2 * 1.96 * 9, rel=0.01)
    assert widths[3] > 2.4 * widths[0]
    assert row["events"][2] is None
    assert row["events"][3].startswith("campaign sale: x 2.")


@pytest.mark.parametrize("others", [{}, dict.fromkeys(range(20, 200, 25), 1.3)])
def test_what_came_on_one_day_is_not_counted_on_but_the_interval_of_the_next_such_day_holds_it(
    others: dict[int, float],
) -> None:
    fair, usual = Event("campaign", "fair"), Event("campaign", "usual day")
    events = {**dict.fromkeys(others, SALE), 210: fair, 215: usual, DAYS + 1: fair, DAYS + 2: usual}
    once = history({**others, 210: 8.0, 215: 1.15}, events)
    forecaster = forecasts.Forecaster(day(DAYS - 1), once.frequency, c.chosen([]), {}, Calendar(events_of(events)))

    row = forecasts._forecast(forecaster, once, forecasts.Champion({"historic_mean": 1.0}, 9.0, False, np.ones(2)), 3)

    assert row["forecast"][1] < 130
    assert row["upper_95"][1] > 8 * 80
    assert row["upper_95"][2] < 170


def test_a_backtest_knows_no_more_than_the_days_before_its_cutoff() -> None:
    # The only campaigns there ever were lie in the last window: nothing can be known of them before.
    late = history({270: 3.0, 271: 3.0}, {270: SALE, 271: SALE})
    plain = History(late.values, late.last_date, late.frequency)
    parameters = ForecastParameters(windows=1)

    with_events, without = (backtested(one, c.chosen(["theta"]), parameters).forecasts for one in (late, plain))

    for name, forecast in without.items():
        np.testing.assert_array_equal(with_events[name], forecast)


@pytest.mark.parametrize("first", [DAYS - 8, DAYS - 70])
def test_a_campaign_that_came_once_widens_no_interval_of_ordinary_days(first: int) -> None:
    once = dict.fromkeys(range(first, first + 4), 12.0)

    def spread(known: History) -> tuple[float, float]:
        test = backtested(known, c.chosen(["theta"]), ForecastParameters())
        row = assessed("t", 0.1, test, weights.Pooled({}))[0]
        return row["typical_error"], float(np.nanquantile(row["scores"], 0.95))

    assert spread(history(once, dict.fromkeys(once, SALE))) == pytest.approx(spread(history({}, {})), rel=0.1)
    assert spread(history(once, {}))[0] > 2 * spread(history({}, {}))[0]  # days that nobody told of are demand


def test_days_of_a_new_event_are_no_errors_until_two_of_them_came_but_a_window_of_nothing_else_is() -> None:
    sale = dict.fromkeys(range(DAYS - 16, DAYS), 3.0)

    test = backtested(history(sale, dict.fromkeys(sale, SALE)), c.chosen([]), ForecastParameters())

    known = [np.isfinite(window).tolist() for window in test.actual]
    #         cutoffs: 231 to 245, 252, 259 and, two days after its begin, 266; it is 264 to 279
    assert known == [[True] * 14] * 3 + [[True] * 12 + [False] * 2, [True] * 5 + [False] * 9, [True] * 14]
    assert "jumped" not in str(assessed("t", 0.1, test, weights.Pooled({}))[0]["reason"])
    whole = dict.fromkeys(range(DAYS - 14, DAYS), 3.0)
    alone = backtested(history(whole, dict.fromkeys(whole, SALE)), c.chosen([]), ForecastParameters(windows=1))
    assert np.isfinite(alone.actual).all()


def test_campaigns_known_before_make_the_backtest_better() -> None:
    eventful = history(SALES | {270: 2.5, 271: 2.5}, dict.fromkeys([*SALES, 270, 271], SALE))
    plain = History(eventful.values, eventful.last_date, eventful.frequency)

    losses = [backtested(one, c.chosen(["theta"]), ForecastParameters()).losses["theta"] for one in (eventful, plain)]

    assert losses[0].mean() < 0.8 * losses[1].mean()


def test_an_event_unlike_its_kind_has_an_effect_of_its_own_and_a_new_one_that_of_its_kind() -> None:
    feasts = dict.fromkeys(range(20, 270, 25), 0.5)
    odd = dict.fromkeys((32, 90, 160, 230), 1.8)
    events = {**dict.fromkeys(feasts, FEAST), **dict.fromkeys(odd, Event("holiday", "fair"))}
    coming = {DAYS: FEAST, DAYS + 1: Event("holiday", "fair"), DAYS + 2: Event("campaign", "first ever")}

    known = counted(history(feasts | odd, events | coming), 3)

    assert known is not None
    assert known.factors == pytest.approx([0.5, 1.8, 1.0], rel=0.12)
    assert known.said[2] == "campaign first ever: no effect that is sure"


def test_days_like_all_others_have_an_effect_no_more_often_than_chance() -> None:
    events = dict.fromkeys(range(10, 270, 25), FEAST) | {DAYS + 1: FEAST}

    found = [counted(history({}, events, seed=seed), 3) for seed in range(200)]

    assert sum(known is not None and known.factors[1] != 1.0 for known in found) <= 6  # 2.5 standard errors: 1 in 80
    assert "holiday feast: no effect that is sure" in {known.said[1] for known in found if known is not None}


def test_a_closed_day_is_forecast_near_zero_and_is_no_day_without_a_delivery() -> None:
    closed = [30, 31, 100, 170, 171, 172]
    closure = Event("closure", "stocktaking")
    known = counted(history(dict.fromkeys(closed, 0.0), dict.fromkeys([*closed, DAYS], closure)), 2)
    counts = history(dict.fromkeys(closed, 0.0), {}).values.astype(np.int64)

    assert known is not None
    assert known.factors[0] < 0.02
    assert undelivered(counts)[0].sum() == len(closed)
    assert undelivered(counts, np.isin(np.arange(DAYS), closed))[0].sum() == 0


@pytest.mark.parametrize("candidate", ["seasonal_naive", "historic_mean"])
def test_after_a_jump_a_closed_day_is_forecast_near_zero_too(candidate: str) -> None:
    closed, closure = [30, 31, 100, 170, 171, 172], Event("closure", "stocktaking")
    coming = [DAYS + step for step in range(1, 7)]  # so many that the mean of all days falls far below the new level
    risen = dict.fromkeys(range(250, DAYS), 4.0)
    known = history({**dict.fromkeys(closed, 0.0), **risen}, dict.fromkeys([*closed, *coming], closure))
    forecaster = forecasts.Forecaster(day(DAYS - 1), known.frequency, c.chosen([]), {}, Calendar(known.events))

    row = forecasts._forecast(forecaster, known, forecasts.Champion({candidate: 1.0}, 9.0, False, np.ones(2)), 14)

    assert row["candidate"] == (candidate if candidate == "seasonal_naive" else forecasts.NEW_LEVEL)
    assert row["forecast"][1:7].max() < 10
    assert row["forecast"][7:].mean() == pytest.approx(320, rel=0.1)


def test_a_campaigns_spike_is_no_outlier() -> None:
    spikes = dict.fromkeys((60, 150), 12.0)

    assert mended(history(spikes, dict.fromkeys(spikes, SALE)))[1].all()
    assert (~mended(history(spikes, {}))[1]).sum() == len(spikes)


def test_without_events_and_by_weeks_nothing_changes() -> None:
    assert counted(history(SALES, {}), 14) is None
    assert counted(history(SALES, dict.fromkeys(SALES, SALE), frequency="week"), 14) is None


def test_a_terms_own_event_counts_before_that_of_all_and_a_closure_before_a_campaign_before_a_holiday() -> None:
    rows = [
        (day(0), "feast", "holiday", None),
        (day(0), "sale", "campaign", None),
        (day(1), "sale", "campaign", None),
        (day(1), "stocktaking", "closure", None),
        (day(1), "tv week", "campaign", "tv"),
    ]

    calendar = Calendar.of_rows(rows)

    assert calendar.of("radio") == {day(0): SALE, day(1): Event("closure", "stocktaking")}
    assert calendar.of("tv") == {day(0): SALE, day(1): Event("campaign", "tv week")}
    assert calendar.closures() == {day(1)}


# --- loading


def test_holidays_are_those_of_the_country_and_its_region() -> None:
    swiss = holidays_of("CH", None, date(2026, 1, 1), date(2026, 8, 1))
    bavarian = {row[0] for row in holidays_of("DE", "BY", date(2026, 1, 1), date(2026, 12, 31))}

    assert [row[0] for row in swiss] == [date(2026, 1, 1), date(2026, 5, 14), date(2026, 8, 1)]
    assert {row[2:] for row in swiss} == {("holiday", None)}
    assert {date(2026, 1, 6), date(2026, 6, 4)} < bavarian
    with pytest.raises(UsageError, match="no holidays are known of --country XX; name it by its ISO 3166 code"):
        holidays_of("XX", None, day(0), day(1))
    with pytest.raises(UsageError, match="--country CH with --region QQ"):
        holidays_of("CH", "QQ", day(0), day(1))
    for name in ("__name__", "HolidayBase"):  # what the library has beside countries
        with pytest.raises(UsageError, match=f"no holidays are known of --country {name}"):
            holidays_of(name, None, day(0), day(1))


def test_a_feast_whose_day_is_only_estimated_is_the_same_feast() -> None:
    names = {row[1] for row in holidays_of("AE", None, date(2040, 1, 1), date(2040, 12, 31))}

    assert {"Eid al-Fitr", "Eid al-Fitr Holiday"} <= names
    assert not [name for name in names if "estimated" in name]


def test_years_that_the_library_does_not_reach_are_not_taken_for_years_without_holidays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert holidays_of("JP", None, date(2099, 12, 1), date(2099, 12, 31)) == []
    assert not caplog.messages
    assert len(holidays_of("JP", None, date(2099, 1, 1), date(2100, 12, 31))) > 10
    assert caplog.messages == ["load-calendar: holidays of JP are known from 1949 to 2099 only"]
    for year in (1948, 2100):
        with pytest.raises(UsageError, match="holidays of JP are known from 1949 to 2099"):
            holidays_of("JP", None, date(year, 1, 1), date(year, 12, 31))


def written(directory: Path, text: str) -> Path:
    (directory / "events.csv").write_text(text, encoding="utf-8-sig")
    return directory / "events.csv"


def test_a_file_of_events_is_a_row_a_day(tmp_path: Path) -> None:
    text = (
        "event,from,to,kind,term\nBlack Friday,2026-11-27,2026-11-28,Campaign,\n\nTV  week,2026-12-01,,campaign, TV \n"
    )

    assert read_events(written(tmp_path, text)) == [
        (date(2026, 11, 27), "Black Friday", "campaign", None),
        (date(2026, 11, 28), "Black Friday", "campaign", None),
        (date(2026, 12, 1), "TV  week", "campaign", "tv"),
    ]


def test_the_fixture_is_such_a_file() -> None:
    rows = read_events(PROJECT / "fixtures" / "events.csv")

    assert [row[3] for row in rows] == [None] * 4 + ["laptop", None]
    assert {row[2] for row in rows} == {"campaign", "closure"}


def test_an_event_that_is_known_to_change_nothing_does_not_get_what_its_kind_changes() -> None:
    feasts = dict.fromkeys(range(20, 270, 25), 0.5)
    fairs = dict.fromkeys((32, 60, 90, 118, 160, 200, 230), Event("holiday", "fair"))
    events = {**dict.fromkeys(feasts, FEAST), **fairs, DAYS: FEAST, DAYS + 1: Event("holiday", "fair")}

    known = counted(history(feasts, events), 2)

    assert known is not None
    assert known.factors == pytest.approx([0.5, 1.0], rel=0.1)
    assert known.said[1] == "holiday fair: no effect that is sure"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected the columns from, event, kind and, if need be, to, term; got nothing"),
        ("from,event\n", "expected the columns from, event, kind"),
        ("from,event,kind,what\n", "got from, event, kind, what"),
        ("from,event,kind\n27.11.2026,sale,campaign\n", "line 2: from '27.11.2026' is no day such as 2026-11-27"),
        ("from,to,event,kind\n2026-11-27,2026-11-20,sale,campaign\n", "is no span of 1 to 366 days"),
        ("from,to,event,kind\n2016-11-27,2026-11-20,sale,campaign\n", "is no span of 1 to 366 days"),
        ("from,to,event,kind\n9999-12-31,2026-11-27,sale,campaign\n", "is no span of 1 to 366 days"),
        ("from,event,kind\n2026-11-27,sale,discount\n", "kind 'discount' is none of campaign, closure"),
        ("from,event,kind\n2026-12-25,Christmas,holiday\n", "holidays come with --country"),
        ("from,event,kind\n2026-11-27,,campaign\n", "line 2: event needs a name"),
        ("from,event,kind\n2026-11-27,sale\n", "line 2 has 2 fields, expected 3"),
        ("from,event,kind\n2026-11-27,a,campaign\n2026-11-27,a,closure\n", "line 3: a on 2026-11-27 is in line 2 too"),
        ('from,event,kind\n2026-11-27,"a,campaign\n', "is no CSV file in UTF-8"),
    ],
)
def test_the_first_line_that_is_wrong_is_said(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=re.escape(complaint)):
        read_events(written(tmp_path, text))


def test_values_are_not_changed_by_looking(tmp_path: Path) -> None:
    before: Floats = EVENTFUL.values.copy()
    counted(EVENTFUL, 14)
    np.testing.assert_array_equal(EVENTFUL.values, before)


def test_an_event_may_be_on_the_last_day_there_is(tmp_path: Path) -> None:
    [(day, *_)] = read_events(written(tmp_path, "from,event,kind\n9999-12-31,sale,campaign\n"))

    assert day.isoformat() == "9999-12-31"
