"""Whether to train again, and why.

Stated rate of false alarms, where nothing changes but by chance (counts that vary more than Poisson's, weekdays that
differ, six months of training): drift in at most 1 of 100 windows, accuracy in at most 3 of 100 weekly decisions.
They come in runs, as a bad week stays among the last five. Measured: docs/forecast-quality.md;
tests/demand/test_false_alarms.py repeats it in small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from search_forecast.demand.monitoring.drift import Drift
from search_forecast.errors import counted
from search_forecast.parameters import MonitorParameters

ENOUGH_TERMS = 10  # from so many on, chance seldom makes a week of forecasts 5 % worse than the mean


@dataclass(frozen=True)
class ForecastWindow:
    """How the first days ahead of one forecast did: what the rule needs of a row of search_gold.forecast_accuracy."""

    made_on_date: date
    first_target_date: date
    last_target_date: date
    term_count: int
    skill_ratio: float | None
    interval_coverage: float


def needs_retrain(
    forecasts: Sequence[ForecastWindow],
    drifts: Sequence[Drift],
    latest_trained_to: date | None,
    as_of: date,
    parameters: MonitorParameters,
) -> tuple[bool, str]:
    """Apply the rule to what is known of the champion.

    Train again if
    - the error was more than `worse_by_ratio` larger than the mean's in `worse_windows` of the last `accuracy_windows`
      forecasts, and by the same margin over those forecasts together: two bad weeks among good ones are chance (the
      margin is wider below ten terms, with the root of their number, as chance is); or
    - the 95 % interval held less than `least_coverage_ratio` of the counts in as many of them; or
    - the mix of terms of the latest window has drifted;
    but not if a version was trained on data up to less than `cooldown_days` ago: it would learn the same again.

    Args:
        forecasts: first windows of the champion's forecasts, in any order.
        drifts: the champion's windows, in any order.
        latest_trained_to: last day of the data that any version was trained on; None where unknown.
        as_of: last day whose searches are known in full.
        parameters: the limits.

    Returns:
        The verdict, and a sentence that says why.
    """
    latest = apart(forecasts, parameters.accuracy_windows)
    drift = max(drifts, key=lambda row: row.last_date, default=None)
    if not latest and drift is None:
        return False, "nothing to compare yet"
    bad = [*_accuracy_reasons(latest, parameters), *_drift_reasons(drift)]
    if not bad:
        return False, _all_is_well(latest, drift, parameters)
    reason = "; ".join(bad)
    if latest_trained_to is not None and (as_of - latest_trained_to).days < parameters.cooldown_days:
        return False, (
            f"{reason}; but a version was trained on data up to {latest_trained_to}, less than "
            f"{counted(parameters.cooldown_days, 'day')} before {as_of}"
        )
    return True, reason


def apart(forecasts: Sequence[ForecastWindow], count: int) -> list[ForecastWindow]:
    """The latest windows that share no day, latest first: of forecasts made daily about every seventh."""
    latest: list[ForecastWindow] = []
    for forecast in sorted(forecasts, key=lambda row: row.made_on_date, reverse=True):
        if len(latest) < count and (not latest or forecast.last_target_date < latest[-1].first_target_date):
            latest.append(forecast)
    return latest


def _margin(forecasts: Sequence[ForecastWindow], parameters: MonitorParameters) -> float:
    fewest = min((row.term_count for row in forecasts), default=ENOUGH_TERMS)
    return parameters.worse_by_ratio * math.sqrt(max(1.0, ENOUGH_TERMS / max(fewest, 1)))


def _worse(forecasts: Sequence[ForecastWindow], margin: float) -> tuple[int, float]:
    """How many forecasts were worse than the mean, and the mean of all skills (0 where none is known)."""
    skills = [row.skill_ratio for row in forecasts if row.skill_ratio is not None]
    return sum(skill < -margin for skill in skills), sum(skills) / len(skills) if skills else 0.0


def _missed(forecasts: Sequence[ForecastWindow], parameters: MonitorParameters) -> int:
    return sum(row.interval_coverage < parameters.least_coverage_ratio for row in forecasts)


def _accuracy_reasons(forecasts: Sequence[ForecastWindow], parameters: MonitorParameters) -> list[str]:
    reasons = []
    margin = _margin(forecasts, parameters)
    worse, skill = _worse(forecasts, margin)
    if worse >= parameters.worse_windows and skill < -margin:
        reasons.append(
            f"{worse} of the last {len(forecasts)} forecasts were worse than the mean by more than "
            f"{margin:.0%} (error {-skill:.0%} larger over all of them)"
        )
    missed = _missed(forecasts, parameters)
    if missed >= parameters.worse_windows:
        least = min(row.interval_coverage for row in forecasts)
        reasons.append(
            f"in {missed} of the last {len(forecasts)} forecasts the 95 % interval held less than "
            f"{parameters.least_coverage_ratio:.0%} of the counts (at worst {least:.0%})"
        )
    return reasons


def _drift_reasons(drift: Drift | None) -> list[str]:
    if drift is None or not drift.is_drifted:
        return []
    return [f"the mix of terms has drifted in {drift.window} (psi {drift.psi:.2f}, p-value {drift.p_value:.1g})"]


def _all_is_well(forecasts: Sequence[ForecastWindow], drift: Drift | None, parameters: MonitorParameters) -> str:
    worse, skill = _worse(forecasts, _margin(forecasts, parameters))
    parts = []
    if forecasts:
        missed = _missed(forecasts, parameters)
        parts.append(
            f"{worse} of the last {len(forecasts)} forecasts worse than the mean, {missed} with too narrow an interval "
            f"(skill {skill:+.0%} over all of them)"
        )
    if drift is not None:
        parts.append(f"no drift in {drift.window} (psi {drift.psi:.2f}, p-value {drift.p_value:.1g})")
    return "; ".join(parts)
