"""What `explore` answers, what it refuses, and how it starts and ends; the numbers are plain Python's, not gold's."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from flask.testing import FlaskClient

from search_forecast.cli import main
from search_forecast.pages.explore import application, hosts_of
from search_forecast.queries.remembering import RememberingEngine
from support import lakes, shop
from support.delta import write
from support.shop import day

HOST = "127.0.0.1:8600"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.lakehouse(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def client(lake: Path) -> FlaskClient:
    return client_of(lake)


def client_of(lake: Path) -> FlaskClient:
    engine = RememberingEngine(lake)
    return application(engine, frozenset({HOST})).test_client()


def get(client: FlaskClient, path: str, *, headers: dict[str, str] | None = None, **values: Any) -> Any:
    return client.get(path, query_string=values, headers={"Host": HOST, **(headers or {})})


def comparison(client: FlaskClient, *terms: str, **period: str) -> Any:
    return get(client, "/api/comparison", term=list(terms), **period).json


@pytest.mark.parametrize("part", ["", "THING 07", "  Usb-C\t", "e", "=1+1", "ポータブル", "' or '1'='1", "%", "\\"])
def test_any_part_of_a_term_finds_it(client: FlaskClient, part: str) -> None:
    text = part.strip().lower()
    expected = [(term, count) for term, count in shop.ranking(day(0), day(140)) if text in term]
    expected.sort(key=lambda row: (row[0] != text, -row[1], row[0]))

    found = get(client, "/api/terms", part=part).json

    assert [(row["term"], row["search_count"]) for row in found] == expected[:12]


def test_days_forecast_and_trend_of_terms_beside_each_other(client: FlaskClient) -> None:
    terms = ["camping tent", "rare thing 0700", "(total)"]

    answered = comparison(client, *terms)

    days = [day(n) for n in range(56, 140)]  # the 84 latest that are complete
    assert answered["dates"] == [each.isoformat() for each in days]
    assert answered["incomplete_dates"] == [day(140).isoformat()]
    tent, rare, everything = answered["terms"]
    assert tent["counts"] == [shop.total(each, each, "camping tent") for each in days]
    assert rare["counts"] == [shop.total(each, each, "rare thing 0700") for each in days]
    assert everything["counts"] == [shop.total(each, each) for each in days]
    assert tent["share_ratio"] == pytest.approx(sum(tent["counts"]) / sum(everything["counts"]))
    assert [(row["forecast"], row["lower_80"], row["upper_95"]) for row in tent["forecast"]["rows"]] == [
        (pytest.approx(mean), pytest.approx(mean - 4), pytest.approx(mean + 6))
        for mean in (shop.forecast("camping tent", step) for step in range(1, 15))
    ]
    assert (rare["forecast"], everything["forecast"]["rows"][0]["target_date"]) == (None, day(140).isoformat())
    assert {name: tent["trend"][name] for name in ("period_start_date", "status", "growth_ratio", "rank")} == {
        "period_start_date": "2026-07-13", "status": "rising", "growth_ratio": 0.55, "rank": 1,
    }  # fmt: skip
    assert rare["trend"] is None
    [typed, same] = comparison(client, "Camping  TENT", "camping tent")["terms"]
    assert (typed["counts"], same["counts"]) == (tent["counts"], tent["counts"])


def test_weeks_and_months_are_whole_and_lie_within_the_days_asked_for(client: FlaskClient) -> None:
    weeks = comparison(client, "gaming laptop", grain="week", **{"from": "2026-03-10", "to": "2026-04-12"})
    mondays = [day(14), day(21), day(28), day(35)]
    months = comparison(client, "gaming laptop", grain="month")

    assert weeks["dates"] == [each.isoformat() for each in mondays]
    assert weeks["last_date"] == "2026-04-12"
    sums = [shop.total(each, each + timedelta(days=6), "gaming laptop") for each in mondays]
    assert weeks["terms"][0]["counts"] == sums
    assert weeks["terms"][0]["forecast"]["grain"] == "day"
    assert weeks["terms"][0]["forecast"]["rows"] == []
    assert months["dates"] == ["2026-04-01", "2026-05-01", "2026-06-01"]  # March lacks a day, July is not over
    assert months["terms"][0]["trend"]["period_start_date"] == "2026-06-01"
    assert comparison(client, "gaming laptop", **{"from": "2026-05-01", "to": "2026-05-03"})["dates"] == [
        "2026-05-01", "2026-05-02", "2026-05-03",
    ]  # fmt: skip


def test_what_is_shown_comes_as_csv_in_which_nothing_is_a_formula(client: FlaskClient) -> None:
    terms = ["=1+1", "gaming laptop"]
    shown = comparison(client, *terms)

    response = get(client, "/api/comparison.csv", term=terms)

    assert response.headers["Content-Disposition"] == 'attachment; filename="comparison.csv"'
    lines = list(csv.DictReader(io.StringIO(response.get_data(as_text=True).removeprefix("\ufeff"))))
    assert {line["term"] for line in lines} == {"'=1+1", "gaming laptop"}
    counts = [int(line["search_count"]) for line in lines if line["term"] == "gaming laptop" and line["search_count"]]
    assert counts == shown["terms"][1]["counts"]
    assert float(lines[-1]["upper_95"]) == pytest.approx(shop.forecast("gaming laptop", 14) + 6)


def test_lists_of_terms_to_go_on_from(client: FlaskClient) -> None:
    def terms(**values: str) -> list[str]:
        return [row["term"] for row in get(client, "/api/list", **values).json]

    assert terms() == [term for term, _ in shop.ranking(day(0), day(140))][:20]
    days = {"from": day(80).isoformat(), "to": day(86).isoformat()}
    assert terms(**days) == [term for term, _ in shop.ranking(day(80), day(86))][:20]
    assert terms(list="rising") == ["camping tent", shop.HOSTILE[0]]
    assert terms(list="falling", grain="month") == ["coffee machine"]
    assert (terms(list="new"), terms(list="lost")) == (["constructor"], ["w" * 256])
    assert terms(list="breakouts") == [shop.BREAKOUT]
    text = get(client, "/api/list.csv", list="breakouts").get_data(as_text=True)
    assert text.splitlines()[1].startswith(f"{shop.BREAKOUT},70,")


@pytest.mark.parametrize(
    ("path", "values", "status", "said"),
    [
        ("comparison", {}, 400, "from 1 to 6 different terms"),
        ("comparison", {"term": list("abcdefg")}, 400, "from 1 to 6 different terms"),
        ("comparison", {"term": ["tv", "tv"]}, 400, "from 1 to 6 different terms"),
        ("comparison", {"term": "gaming laptob"}, 404, '"gaming laptob" was never searched; the nearest: gaming lap'),
        ("comparison", {"term": "' or '1'='1"}, 404, "was never searched"),
        ("comparison", {"term": "w" * 301}, 400, "term has more than 300 characters"),
        ("comparison", {"term": "gaming laptop", "grain": "year"}, 400, "grain=year is not day, week, month"),
        ("comparison", {"term": "gaming laptop", "from": "1.5.2026"}, 400, "from=1.5.2026 is not a date"),
        ("list", {"from": "2026-05-02", "to": "2026-05-01"}, 400, "is after"),
        ("list", {"list": "batches"}, 400, "list=batches is not top, rising"),
        ("terms", {"part": ["a", "b"]}, 400, "part is there twice"),
        ("comparison", {"term": "gaming laptop", "grain": ["day", "week"]}, 400, "grain is there twice"),
        ("list", {"from": ["2026-05-01", "2026-05-02"]}, 400, "from is there twice"),
        ("terms", {"sql": "select 1"}, 400, "no parameter sql"),
        ("terms", {"part": ["a"] * 20_000}, 414, "longer than 30000 bytes"),
        ("batches", {}, 404, "not found"),
    ],
)
def test_what_cannot_be_answered_is_said(client: FlaskClient, path: str, values: Any, status: int, said: str) -> None:
    response = get(client, f"/api/{path}", **values)

    assert response.status_code == status
    assert said in response.json["error"]
    assert not re.match(r"explore: |query ", response.json["error"])  # the page knows no commands


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": f"http://{HOST}"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Host": "rebound.example:8600"}, 403),
        ({"Host": "127.0.0.1:80"}, 403),
        ({"Host": "127.0.0.1:8600.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": f"http://nobody@{HOST}"}, 403),
        ({"Origin": "http://127.0.0.1:9000"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/terms"])
def test_only_the_page_itself_is_answered(client: FlaskClient, path: str, headers: dict[str, str], status: int) -> None:
    response = get(client, path, headers=headers)

    assert response.status_code == status
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


def test_on_the_port_of_http_a_browser_names_none(lake: Path) -> None:
    client = application(RememberingEngine(lake), hosts_of(80)).test_client()

    assert get(client, "/", headers={"Host": "127.0.0.1", "Origin": "http://127.0.0.1"}).status_code == 200
    assert hosts_of(8600) == {"127.0.0.1:8600", "localhost:8600"}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_but_get_is_answered(client: FlaskClient, method: str) -> None:
    assert client.open("/api/terms", method=method, headers={"Host": HOST}).status_code == 405


def test_a_commit_is_seen_at_once_and_an_answer_remembered_until_then(tmp_path: Path) -> None:
    gold = shop.gold()
    lake = write(tmp_path / "lake", {name: rows for name, rows in gold.items() if name != "term_summary"})
    write(lake, {"term_summary": gold["term_summary"][:3]})
    client = client_of(lake)
    before = get(client, "/api/terms", part="e").json

    assert get(client, "/api/terms", part="e").json == before
    write(lake, {"term_summary": gold["term_summary"][3:]})

    assert len(get(client, "/api/terms", part="e").json) > len(before)
    shutil.rmtree(lake / "search_gold" / "term_summary")  # made anew: the same versions, other rows
    write(lake, {"term_summary": gold["term_summary"][:2]})
    write(lake, {"term_summary": gold["term_summary"][2:4]})
    found = [row["term"] for row in get(client, "/api/terms").json]
    assert found == [row["term"] for row in gold["term_summary"][:4]]


def test_who_searched_for_the_name_of_a_series_searched_for_a_term(tmp_path: Path) -> None:
    lakes.shown(tmp_path, {(day(0), "(other)"): 3, (day(0), "tv"): 1}, {}, 1)
    write(tmp_path, {"term_forecasts": shop.forecasts()["term_forecasts"]})

    [shown] = comparison(client_of(tmp_path), "(other)")["terms"]

    assert (shown["search_count"], shown["forecast"]) == (3, None)


def test_tables_that_are_not_there_yet_are_named_with_what_fills_them(tmp_path: Path) -> None:
    client = client_of(write(tmp_path, shop.gold()))

    page = get(client, "/").get_data(as_text=True)
    facts = json.loads(page.partition('id="data">')[2].partition("</script>")[0])

    assert facts["missing"] == ["search_gold.term_trends", "search_gold.term_forecasts"]
    assert facts["sources"]["search_gold.term_forecasts"] == "run demand_forecast"
    assert get(client, "/api/list", list="rising").json is None
    [shown] = comparison(client, "gaming laptop")["terms"]
    assert (shown["trend"], shown["forecast"]) == (None, None)


def test_it_says_in_a_line_what_it_lacks(tmp_path: Path, lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(place: Path, *words: str) -> tuple[int, str]:
        code = main(["--lakehouse", str(place), "explore", "--no-browser", *words])
        return code, capsys.readouterr().err.removeprefix("search-forecast: explore: ").strip()

    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert said(lake, "--port", str(port)) == (
            3,
            f"port {port} is not free (Address already in use); say another --port, or --port 0 for any that is free",
        )
    assert said(tmp_path / "none") == (
        1, f"no lakehouse at {tmp_path}/none; run demo or ingest first, or say --lakehouse DIR",
    )  # fmt: skip
    assert said(tmp_path / "empty") == (1, "no search_gold.daily_totals yet; run aggregate first")


def test_it_answers_on_loopback_until_ctrl_c(lake: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "search_forecast",
        "--lakehouse",
        str(lake),
        "explore",
        "--no-browser",
        "--port",
        "0",
    ]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # A shell's background job ignores the signal from the start.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(words, text=True, preexec_fn=heed, **pipes) as process:  # noqa: PLW1509
        assert process.stdout is not None
        address = process.stdout.readline().removeprefix("explore: ").strip()
        with urlopen(f"{address}api/terms?part=laptop") as response:
            assert json.loads(response.read())[0]["term"] == "gaming laptop"
        with pytest.raises(HTTPError, match="403"):
            urlopen(Request(address, headers={"Host": "rebound.example"}))
        place = urlsplit(address)
        with socket.create_connection((place.hostname, place.port)):  # as a browser opens one in advance
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)

    assert address.startswith("http://127.0.0.1:")
    assert (process.returncode, said) == (0, "Ctrl-C ends it\nexplore: ended\n")


def test_a_damaged_file_is_one_line_and_starts_no_spark(lake: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(lake, tmp_path / "damaged")
    client = application(RememberingEngine(damaged), frozenset({HOST})).test_client()
    for file in (damaged / "search_gold" / "daily_term_counts").glob("*.parquet"):
        file.unlink()
    answered = get(client, "/api/comparison", term="gaming laptop")

    assert answered.status_code == 404
    assert answered.json["error"].endswith("a file of the lakehouse is damaged: the command check says")
