"""A term's past and its forecast as a picture: in a terminal, as PNG or as SVG."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from pathlib import Path

from search_forecast.errors import UsageError
from search_forecast.lakehouse.whole_file import write_whole, writing

WIDTH, HEIGHT = 80, 13  # an odd height has a middle row
ENDINGS = (".png", ".svg")
COUNTED, EXPECTED, INSIDE = "•", "━", "░"


@dataclass(frozen=True)
class Coming:
    """What is expected of a day: the mean, and the interval that 95 of 100 days are to lie in."""

    day: date
    forecast: float
    lower: float
    upper: float


Past = Sequence[tuple[date, float | None]]  # None: not known


def text_plot(past: Past, coming: Sequence[Coming], width: int = WIDTH) -> list[str]:
    """Lines of at most so many characters: what was counted, then the forecast in its interval, a column a period.

    Of a forecast that reaches further than the lines do, the first periods.
    """
    top = _round_up(max([count for _, count in past if count is not None] + [one.upper for one in coming] + [1.0]))
    label = max(len(f"{level:,.10g}") for level in (0, top / 2, top))
    room = max(width - label - 3, 1)
    coming = coming[:room]
    past = past[max(len(past) - (room - len(coming)), 0) :]
    columns = [_column([(COUNTED, count, count)] if count is not None else [], top) for _, count in past]
    columns.append("│" * HEIGHT)
    columns += [
        _column([(INSIDE, one.lower, one.upper), (EXPECTED, one.forecast, one.forecast)], top) for one in coming
    ]
    marks = {HEIGHT - 1: top, HEIGHT // 2: top / 2, 0: 0.0}
    lines = []
    for row in range(HEIGHT - 1, -1, -1):
        text = f"{marks[row]:,.10g}" if row in marks else ""
        lines.append((f"{text:>{label}} {'┤' if text else '│'}" + "".join(column[row] for column in columns)).rstrip())
    start = past[0][0] if past else coming[0].day
    ends = f"{start}", f"{coming[-1].day}"
    lines.append(" " * (label + 2) + ends[0] + ends[1].rjust(max(len(columns) - len(ends[0]), len(ends[1]) + 1)))
    return lines


def _column(parts: Sequence[tuple[str, float, float]], top: float) -> str:
    """One period from the bottom row to the top one; a later part hides an earlier one."""
    cells = [" "] * HEIGHT
    for sign, low, high in parts:
        first, last = (min(round(value / top * (HEIGHT - 1)), HEIGHT - 1) for value in (low, high))
        cells[first : last + 1] = sign * (last + 1 - first)
    return "".join(cells)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 6, 8, 10, 20, ... : numbers whose half is as plain."""
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 2, 4, 5, 6, 8, 10) if step * magnitude >= value * (1 - 1e-9))


def check_ending(file: Path) -> None:
    """Raise UsageError where a file is none that `write_plot` can write."""
    if file.suffix.lower() not in ENDINGS:
        raise UsageError(f"forecast: --plot {file} ends neither with {' nor with '.join(ENDINGS)}")
    if not file.absolute().parent.is_dir():
        raise UsageError(f"forecast: --plot {file}: there is no directory {file.parent}")


def write_plot(file: Path, series: Sequence[tuple[str, Past, Sequence[Coming]]]) -> None:
    """Write a picture with a panel for each term; the same for the same numbers.

    Args:
        file: `.png` or `.svg`.
        series: of each term its name, past and forecast.

    Raises:
        EnvironmentProblem: the file can't be written; none is left that is half one.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "search_forecast", "svg.fonttype": "none", "text.parse_math": False}
    with rc_context(settings), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph")  # its own font lacks many scripts; an SVG takes the viewer's
        # Margins in inches, not a layout that matplotlib finds: for that it draws every panel twice.
        width, panel, side, edge = 9, 3.2, 0.9, 0.4
        height = panel * len(series)
        figure = Figure(figsize=(width, height))
        figure.subplots_adjust(
            left=side / width,
            right=1 - edge / 2 / width,
            bottom=edge / height,
            top=1 - edge / height,
            hspace=2 * edge / (panel - 2 * edge),
        )
        for number, (term, past, coming) in enumerate(series, start=1):
            axes = figure.add_subplot(len(series), 1, number)
            days, expected = [one.day for one in coming], [one.forecast for one in coming]
            counts = [math.nan if count is None else count for _, count in past]
            axes.plot([day for day, _ in past], counts, marker=".", color="#555555", label="counted")  # type: ignore[arg-type]
            ends = [one.lower for one in coming], [one.upper for one in coming]
            axes.fill_between(days, *ends, alpha=0.25, color="#1f77b4", label="95 of 100 days")  # type: ignore[arg-type]
            axes.plot(days, expected, color="#1f77b4", label="forecast")  # type: ignore[arg-type]
            axes.set_ylim(bottom=0)
            axes.set_title(term, loc="left")
            axes.set_ylabel("searches")
            axes.legend(loc="upper left", frameon=False, ncols=3)
        form, picture = file.suffix.lower()[1:], BytesIO()
        figure.savefig(picture, format=form, metadata={"Date": None} if form == "svg" else {"Software": None})
    with writing("forecast", file, "--plot"):
        write_whole(file, picture.getvalue())
