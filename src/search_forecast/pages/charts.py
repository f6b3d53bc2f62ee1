"""The figures as Vega-Lite specifications, without their data, words and colours, which the page gives them.

A text that begins with `@` is a key of strings.json, one that begins with `$` a colour of page.css; `as...` are formats
that drawing.js defines by the reader's locale.
"""

from typing import Any

import altair as alt

Figure = Any  # a chart of Altair's, whose methods name no types
_ROW_PIXELS = 26
_TERM = alt.Y("term:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelPadding=8))
_UTC = alt.Scale(type="utc")
COUNT, PERCENT, CHANGE, DAY = "asCount", "asPercent", "asChange", "asDay"


def specifications() -> dict[str, dict[str, Any]]:
    """The specification of each figure by the id of its element; the data is called as the figure."""
    charts = {
        "history": _history(),
        "comparison": _comparison(),
        "top": _top(),
        "trends": _trends(),
        "weekdays": _weekdays(),
        "rejected": _bars("rejected", "record_count", "@records"),
        "methods": _methods(),
        "accuracy": _accuracy(),
    }
    return {name: _specification(chart) for name, chart in charts.items()}


def _history() -> Figure:
    """The counts as a line; the forecast as a broken one within the bands of its intervals."""
    base = _by_date("history")
    bands = [
        base.mark_area(opacity=opacity, color="$forecast").encode(
            y=_height(f"lower_{level}", "@searches"), y2=f"upper_{level}:Q"
        )
        for level, opacity in ((95, 0.18), (80, 0.28))
    ]
    counts = base.mark_line(color="$main").encode(y=_height("count", "@searches"))
    forecast = base.mark_line(color="$forecast", strokeDash=[6, 3]).encode(y=_height("forecast", "@searches"))
    return alt.layer(*bands, counts, forecast, _points(base, [])).properties(height=300)


def _comparison() -> Figure:
    """The same of several terms, a colour each."""
    colours = alt.Scale(domain=list(range(1, 7)), range=[f"$series{number}" for number in range(1, 7)])
    base = _by_date("comparison").encode(color=alt.Color("slot:N", scale=colours, legend=None))
    band = base.mark_area(opacity=0.15).encode(y=_height("lower_95", "@searches"), y2="upper_95:Q")
    counts = base.mark_line().encode(y=_height("count", "@searches"))
    forecast = base.mark_line(strokeDash=[6, 3]).encode(y=_height("forecast", "@searches"))
    return alt.layer(band, counts, forecast, _points(base, [_hint("term", None, "@term")])).properties(height=300)


def _by_date(name: str) -> Figure:
    axis = alt.Axis(format="", formatType="asDate", grid=False, labelFlush=True)
    return alt.Chart(alt.NamedData(name)).encode(x=alt.X("date:T", title=None, scale=_UTC, axis=axis))


def _points(base: Figure, more: list[alt.Tooltip]) -> Figure:
    """A mark on what is nearest to the pointer, and what is known of it."""
    hints = [
        *more,
        alt.Tooltip("date:T", formatType=DAY, format="", title="@day"),
        _hint("count", COUNT, "@searches"),
        _hint("forecast", COUNT, "@forecast"),
        _hint("range_80", None, "@interval_80"),
        _hint("range_95", None, "@interval_95"),
    ]
    near = alt.selection_point(nearest=True, on="pointerover", fields=["date"], empty=False, clear="pointerout")
    return (
        base.transform_calculate(value="isValid(datum.count) ? datum.count : datum.forecast")
        .mark_point(size=60, filled=True, **({} if more else {"color": "$text"}))
        .encode(y=_height("value", "@searches"), opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=hints)
        .add_params(near)
    )


def _top() -> Figure:
    """Bars of the counts, with a tick at that of the period before."""
    base = alt.Chart(alt.NamedData("top")).encode(
        y=_TERM,
        tooltip=[
            _hint("term", None, "@term"),
            _hint("search_count", COUNT, "@searches"),
            _hint("share_ratio", PERCENT, "@share"),
            _hint("previous_count", COUNT, "@before"),
        ],
    )
    bars = base.mark_bar(color="$main", height={"band": 0.7}).encode(x=_amount("search_count", "@searches"))
    before = base.mark_tick(color="$text", thickness=2, height={"band": 0.7}).encode(
        x=_amount("previous_count", "@searches")
    )
    return alt.layer(bars, before).properties(height=alt.Step(_ROW_PIXELS))


def _trends() -> Figure:
    return (
        alt.Chart(alt.NamedData("trends"))
        .mark_bar(height={"band": 0.7})
        .encode(
            y=_TERM,
            x=_amount("growth_ratio", "@growth", CHANGE),
            color=alt.condition("datum.growth_ratio >= 0", alt.value("$main"), alt.value("$forecast")),
            tooltip=[
                _hint("term", None, "@term"),
                _hint("growth_ratio", CHANGE, "@growth"),
                _hint("search_count", COUNT, "@searches"),
                _hint("previous_count", COUNT, "@before"),
            ],
        )
        .properties(height=alt.Step(_ROW_PIXELS))
    )


def _weekdays() -> Figure:
    base = alt.Chart(alt.NamedData("weekdays"))
    bars = base.mark_bar(color="$main", width={"band": 0.7}).encode(
        x=alt.X("short:N", sort=None, title=None, axis=alt.Axis(labelAngle=0, ticks=False)),
        y=_height("search_count", "@searches_a_day"),
        tooltip=[_hint("long", None, "@weekday"), _hint("search_count", COUNT, "@searches_a_day")],
    )
    mean = base.mark_rule(color="$text", strokeDash=[4, 3]).encode(y=_height("mean", "@searches_a_day"))
    return alt.layer(bars, mean).properties(height=240)


def _bars(name: str, field: str, title: str) -> Figure:
    return (
        alt.Chart(alt.NamedData(name))
        .mark_bar(color="$main", height={"band": 0.7})
        .encode(y=_TERM, x=_amount(field, title), tooltip=[_hint("term", None, "@reason"), _hint(field, COUNT, title)])
        .properties(height=alt.Step(_ROW_PIXELS))
    )


def _methods() -> Figure:
    """Errors of the candidates, ours in the colour of forecasts, and a rule where chance alone would be."""
    base = alt.Chart(alt.NamedData("methods"))
    bars = base.mark_bar(height={"band": 0.7}).encode(
        y=_TERM,
        x=_amount("wape", "@wape", PERCENT),
        color=alt.condition("datum.is_ours", alt.value("$forecast"), alt.value("$main")),
        tooltip=[_hint("term", None, "@method"), _hint("wape", PERCENT, "@wape")],
    )
    floor = base.mark_rule(color="$text", strokeDash=[4, 3]).encode(x=_amount("floor", "@wape", PERCENT))
    return alt.layer(bars, floor).properties(height=alt.Step(_ROW_PIXELS))


def _accuracy() -> Figure:
    base = alt.Chart(alt.NamedData("accuracy")).encode(
        x=alt.X("made_on_date:T", title=None, scale=_UTC, axis=alt.Axis(format="", formatType="asDate", grid=False)),
        tooltip=[
            alt.Tooltip("made_on_date:T", formatType=DAY, format="", title="@made_on"),
            _hint("wape", PERCENT, "@ours"),
            _hint("mean_wape", PERCENT, "@mean"),
        ],
    )
    ours = base.mark_line(color="$forecast", point={"color": "$forecast", "size": 50}).encode(
        y=_height("wape", "@wape", PERCENT)
    )
    mean = base.mark_line(color="$main", strokeDash=[6, 3], point={"color": "$main", "shape": "square"}).encode(
        y=_height("mean_wape", "@wape", PERCENT)
    )
    return alt.layer(mean, ours).properties(height=240)


def _amount(field: str, title: str, kind: str = COUNT) -> alt.X:
    return alt.X(f"{field}:Q", title=title, axis=alt.Axis(format="", formatType=kind, tickCount=4))


def _height(field: str, title: str, kind: str = COUNT) -> alt.Y:
    return alt.Y(f"{field}:Q", title=title, axis=alt.Axis(format="", formatType=kind))


def _hint(field: str, kind: str | None, title: str) -> alt.Tooltip:
    if kind is None:
        return alt.Tooltip(f"{field}:N", title=title)
    return alt.Tooltip(f"{field}:Q", format="", formatType=kind, title=title)


def _specification(chart: Figure) -> dict[str, Any]:
    sized = chart.properties(width="container").configure(customFormatTypes=True, background="transparent")
    specification: dict[str, Any] = sized.to_dict()
    del specification["$schema"]  # an address on the network, which nothing needs
    return specification
