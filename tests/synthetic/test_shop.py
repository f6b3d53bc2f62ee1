"""The demo's generated shop shows both verdicts."""

from datetime import timedelta

import numpy as np

from search_forecast.demand.forecasting import candidates as c
from search_forecast.demand.forecasting.backtest import backtested
from search_forecast.demand.forecasting.history import History
from search_forecast.demand.forecasting.verdict import FORECASTABLE, NO_BETTER_THAN_MEAN, verdict
from search_forecast.demand.periods import FREQUENCIES
from search_forecast.parameters import ForecastParameters
from search_forecast.synthetic.shop import DAYS, FIRST_DATE, shop


def test_of_the_generated_shop_some_terms_can_be_forecast_and_some_can_not() -> None:
    verdicts = {}
    for term, counts in shop().items():
        history = History(np.array(counts, float), FIRST_DATE + timedelta(days=DAYS - 1), FREQUENCIES["day"])
        test = backtested(history, c.chosen(["theta", "ets"]), ForecastParameters())
        verdicts[term] = verdict(test.losses, test.overlap, 0.05).text

    assert verdicts == {
        "garden chairs": FORECASTABLE,
        "running shoes": FORECASTABLE,
        "usb cable": NO_BETTER_THAN_MEAN,
        "gift card": NO_BETTER_THAN_MEAN,
    }


def test_the_generated_shop_is_the_same_everywhere() -> None:
    assert shop() == shop()
    assert [counts[:3] for counts in shop().values()] == [[104, 102, 97], [38, 34, 64], [51, 40, 43], [28, 28, 24]]
