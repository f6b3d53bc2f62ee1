"""Pictures of a forecast: in the terminal, as PNG and as SVG."""

import resource
import signal
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from rich.console import Console

from search_forecast import cli
from search_forecast.cli import output
from search_forecast.cli.plot import HEIGHT, Coming, Past, check_ending, text_plot, write_plot
from search_forecast.demand import outlook
from search_forecast.errors import EnvironmentProblem, UsageError

FIRST = date(2025, 12, 1)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


PAST: Past = [(day(number), None if number == 3 else 10.0 * number) for number in range(10)]
COMING = [Coming(day(10 + number), 60.0, 40.0, 80.0) for number in range(4)]


def test_each_period_is_a_column_with_its_count_or_its_forecast_in_its_interval() -> None:
    *rows, ends = text_plot(PAST, COMING)

    assert len(rows) == HEIGHT
    width = len("100") + 2
    assert [row[:width] for row in rows if "┤" in row] == ["100 ┤", " 50 ┤", "  0 ┤"]
    cells = [row[width:].ljust(15) for row in reversed(rows)]  # from the bottom
    for number, (_, count) in enumerate(PAST):
        column = "".join(row[number] for row in cells)
        expected = [] if count is None else [round(count / 100 * (HEIGHT - 1))]
        assert [place for place, cell in enumerate(column) if cell == "•"] == expected
    assert {row[10] for row in cells} == {"│"}
    for number in range(11, 15):
        column = "".join(row[number] for row in cells).strip()
        assert column == "░░━░░░"[: len(column)]
        assert column.count("━") == 1
    assert ends.split() == [str(day(0)), str(day(13))]


@pytest.mark.parametrize(
    ("scale", "days", "horizon"), [(0.0, 3, 28), (1e-3, 10, 28), (1.0, 500, 28), (7e8, 500, 28), (1.0, 500, 90)]
)
def test_no_line_is_wider_than_a_terminal(scale: float, days: int, horizon: int) -> None:
    past = [(day(number), scale * (number % 7)) for number in range(days)]
    coming = [Coming(day(days + number), scale * 3, 0.0, scale * 9) for number in range(horizon)]

    lines = text_plot(past, coming)

    assert max(map(len, lines)) <= 80
    assert any("━" in line for line in lines)
    assert text_plot([], coming[:28])[-1].split() == [str(day(days)), str(day(days + 27))]


@pytest.mark.parametrize("width", [12, 40, 200])
def test_a_terminal_may_be_narrower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    columns = ["term", "target_date", "forecast", "lower_95", "upper_95", "made_on_date"]
    rows = [("tv", one.day, one.forecast, one.lower, one.upper, day(9)) for one in COMING]
    monkeypatch.setattr(outlook, "forecast", lambda *_: (columns, rows))
    monkeypatch.setattr(outlook, "past", lambda *_, **__: {"tv": [(day(number - 90), 5.0) for number in range(100)]})
    monkeypatch.setattr(output, "console", Console(width=width, color_system=None, markup=False))

    assert cli.main(["--lakehouse", str(tmp_path), "forecast", "tv"]) == 0

    lines = [line for line in capsys.readouterr().out.splitlines() if line[3:4] in ("┤", "│")]
    assert len(lines) == HEIGHT
    assert max(map(len, lines)) == min(width, 80)


def test_files_are_pictures_and_the_same_for_the_same_numbers(tmp_path: Path) -> None:
    series = [("tv $x^", PAST, COMING), ("中文", PAST, COMING)]
    for name in ("a.png", "a.svg", "b.svg"):
        check_ending(tmp_path / name)
        write_plot(tmp_path / name, series)

    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert ET.fromstring((tmp_path / "a.svg").read_text(encoding="utf-8")).tag.endswith("svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_each_panel_is_drawn_once_with_all_of_its_text_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, draw = [], Axes.draw
    monkeypatch.setattr(Axes, "draw", lambda axes, renderer: (drawn.append(axes), draw(axes, renderer)))
    many = [(day, None if count is None else count * 10_000) for day, count in PAST]

    write_plot(tmp_path / "a.png", [("tv", many, COMING), ("laptop", PAST, COMING)])

    assert [axes.get_title(loc="left") for axes in drawn] == ["tv", "laptop"]
    boxes = [axes.get_tightbbox() for axes in drawn]
    whole = drawn[0].figure.bbox
    for box in boxes:
        assert whole.x0 <= box.x0 <= box.x1 <= whole.x1
        assert whole.y0 <= box.y0 <= box.y1 <= whole.y1
    assert boxes[1].y1 <= boxes[0].y0


@pytest.mark.parametrize("name", ["plot.pdf", "plot", "no/such/directory/plot.png"])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"forecast: --plot .*(ends neither with .png nor|there is no directory)"):
        check_ending(tmp_path / name)


def test_a_picture_for_which_the_disk_has_no_room_leaves_the_one_before(tmp_path: Path) -> None:
    file, limits = tmp_path / "a.png", resource.getrlimit(resource.RLIMIT_FSIZE)
    write_plot(file, [("tv", PAST, COMING)])
    before, was = file.read_bytes(), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(EnvironmentProblem, match=r"forecast: cannot write .*a\.png: .*; say another --plot"):
            write_plot(file, [("radio", PAST, COMING)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, was)

    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert file.read_bytes() == before
