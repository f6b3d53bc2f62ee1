"""Decisions about deliveries, names that come again, and overlaps: rules without Spark."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from search_forecast import cli
from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse.contracts import CORRECTIONS, DELIVERIES
from search_forecast.lakehouse.forgetting import Sought
from search_forecast.medallion import correct, corrections, erase, landing, layouts, overlap
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.corrections import Decision
from search_forecast.medallion.new_files import stage_new_files
from search_forecast.parameters import CorrectParameters, EraseParameters, IngestParameters

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)
DECISION = Decision("why", "ann", NOW)
FIRST = date(2026, 3, 2)
HEADER = "day,month,year,searchterm\n"


def row(delivery_id: str, status: str = "ingested", **others: Any) -> dict[str, Any]:
    """A row of search_bronze.deliveries."""
    none = dict.fromkeys(("replaced_by", "erased_count", "correction", "reason", "corrected_at"))
    own = {"delivery_id": delivery_id, "source_file": f"/in/{delivery_id}.csv", "record_count": 3, "bytes": 1}
    return {**none, **own, "status": status, "batch_id": "batch-000001", **others}


def after(rows: list[dict[str, Any]], changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    news = {each["delivery_id"]: each for each in changes}
    return [news.get(each["delivery_id"], each) for each in rows]


def decisions() -> Iterator[Decision]:
    """One after the other, each with its own time, as `corrections.moment` gives them."""
    return (Decision("why", "ann", NOW + timedelta(hours=hour)) for hour in range(100))


def test_a_chain_of_replacements_counts_one_delivery_at_a_time_whichever_is_restored() -> None:
    rows, decided = [row("aaaa"), row("bbbb"), row("cccc")], decisions()
    rows = after(rows, corrections.replaced(rows[0], "bbbb", next(decided)))
    rows = after(rows, corrections.replaced(rows[1], "cccc", next(decided)))
    for place in (0, 1, 2, 1, 0, 2):
        rows = after(rows, corrections.restored(rows, rows[place], next(decided)))
        assert [each["status"] for each in rows] == [
            "ingested" if number == place else "replaced" for number in range(3)
        ]
        assert [each["replaced_by"] is None for each in rows] == [number == place for number in range(3)]


def test_what_had_replaced_a_restored_delivery_and_was_withdrawn_counts_in_its_place_again_once_restored() -> None:
    rows = [row("aaaa"), row("bbbb")]
    rows = after(rows, corrections.replaced(rows[0], "bbbb", DECISION))
    rows = after(rows, corrections.withdrawn(rows[1], DECISION))
    for place in (0, 1):
        rows = after(rows, corrections.restored(rows, rows[place], DECISION))
        assert [each["status"] for each in rows] == [
            "ingested" if number == place else "replaced" for number in range(2)
        ]


def test_whatever_is_restored_or_erased_in_any_order_no_search_counts_twice_and_none_is_lost() -> None:
    for moves in product(product((corrections.restored, corrections.erased), range(3)), repeat=4):
        rows, decided = [row(name * 4) for name in "abc"], decisions()
        for place in (0, 1):
            rows = after(rows, corrections.replaced(rows[place], "cccc", next(decided)))
        for rule, place in moves:
            if rule is corrections.erased:
                rows = after(rows, corrections.erased(rows[place], 3, next(decided), whole=True))
            elif rows[place]["status"] != "erased":
                rows = after(rows, corrections.restored(rows, rows[place], next(decided)))
                there = {number for number in range(3) if rows[number]["status"] != "erased"}
                expected = {2} if place == 2 else {0, 1} & there
                assert {n for n in there if rows[n]["status"] == "ingested"} == expected, moves


def test_what_a_restored_delivery_had_been_replaced_by_gives_back_the_others_that_it_replaced() -> None:
    rows, times = [row(name * 4) for name in "abcdex"], iter(range(20))
    rows.append(row("yyyy", "replaced", replaced_by="bbbb"))  # long ago: it stays so

    def decide(rule: Any, place: int, *by: str) -> str:
        """The statuses after a decision, by their first letters."""
        decision = Decision("why", "ann", NOW + timedelta(hours=next(times)))
        words = (rows, rows[place], decision) if rule is corrections.restored else (rows[place], *by, decision)
        rows[:] = after(rows, rule(*words))
        return "".join(each["status"][0] for each in rows)

    decide(corrections.replaced, 0, "cccc")
    assert decide(corrections.replaced, 1, "cccc") == "rriiiir"  # two days' files by one of both days
    assert decide(corrections.restored, 0) == "iiriiir"
    assert decide(corrections.restored, 2) == "rriiiir"
    assert decide(corrections.replaced, 2, "dddd") == "rrriiir"
    assert decide(corrections.restored, 1) == "iirriir"
    assert decide(corrections.replaced, 5, "aaaa") == "iirrirr"
    assert decide(corrections.restored, 5) == "rirriir"  # what went when another came back stays away


def test_a_decision_said_again_changes_nothing() -> None:
    rows = [row("aaaa"), row("bbbb")]
    out = corrections.withdrawn(rows[0], DECISION)

    assert [(each["status"], each["reason"], each["correction"], each["corrected_at"]) for each in out] == [
        ("withdrawn", "why", "withdrawn", NOW)
    ]
    assert corrections.withdrawn(out[0], DECISION) == []
    assert corrections.restored(rows, rows[0], DECISION) == []
    gone = corrections.replaced(rows[0], "bbbb", DECISION)
    assert corrections.replaced(gone[0], "bbbb", DECISION) == []
    less = corrections.erased(rows[0], 2, DECISION, whole=False)
    assert [(each["status"], corrections.valid_count(each)) for each in less] == [("ingested", 1)]
    assert corrections.erased(less[0], 2, DECISION, whole=False) == []


@pytest.mark.parametrize(
    ("status", "is_restored", "says"),
    [("ingested", True, "counts already"), ("withdrawn", False, "counts no more already"), ("withdrawn", True, "")],
)
def test_a_decision_that_changes_nothing_says_so_in_a_line(
    status: str, is_restored: bool, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING", logger="search_forecast")
    rows = [row("aaaa", status)]

    correct._changes(rows, rows[0], CorrectParameters("aaaa", "why", is_restored=is_restored), DECISION)

    expected = f"correct: /in/aaaa.csv (aaaa) {says}: this decision changes nothing"
    assert caplog.messages == ([expected] if says else [])


def test_what_was_erased_or_replaced_cannot_be_taken_back_or_out() -> None:
    nothing = corrections.erased(row("aaaa"), 3, DECISION, whole=True)[0]
    with pytest.raises(DataError, match="nothing of it is left to restore"):
        corrections.restored([nothing], nothing, DECISION)
    with pytest.raises(DataError, match="was replaced by bbbb: replace that one"):
        corrections.replaced(row("aaaa", "replaced", replaced_by="bbbb"), "cccc", DECISION)
    with pytest.raises(DataError, match="was replaced by bbbb: withdraw that one"):
        corrections.withdrawn(row("aaaa", "replaced", replaced_by="bbbb"), DECISION)


@pytest.mark.parametrize("text", ["3fa9", "3FA9C1", "march.csv", "/in/shop/march.csv"])
def test_a_delivery_is_named_by_the_start_of_its_hash_or_its_file(text: str) -> None:
    rows = [row("3fa9c1d2", source_file="/in/shop/march.csv"), row("77aa", source_file="/in/shop/april.csv")]
    assert corrections.find(rows, text) is rows[0]


def test_of_a_file_that_was_replaced_in_place_the_one_that_counts_is_meant() -> None:
    rows = [row("aaaa", "replaced", source_file="/in/x.csv"), row("bbbb", source_file="/in/x.csv")]
    assert corrections.find(rows, "x.csv") is rows[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("marhc.csv", r"no delivery marhc.csv; did you mean /in/march.csv \(abcd11\)\?"),
        ("zzzz", "no delivery zzzz; search_bronze.deliveries lists the 2 that there are"),
        ("abcd", r"abcd is several deliveries: abcd11 \(ingested, batch-000001\), abcd22"),
    ],
)
def test_an_unknown_or_ambiguous_delivery_is_one_line_with_the_nearest(text: str, expected: str) -> None:
    rows = [row("abcd11", source_file="/in/march.csv"), row("abcd22", source_file="/in/weekly.csv")]
    with pytest.raises(UsageError, match=expected):
        corrections.find(rows, text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CorrectParameters("x", " "),
        lambda: EraseParameters("why"),
        lambda: EraseParameters("why", term="a", matching="b"),
        lambda: EraseParameters(" ", term="a"),
        lambda: EraseParameters("why", matching=".*"),
        lambda: EraseParameters("why", matching="("),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(wrong: Any) -> None:
    with pytest.raises(UsageError):
        wrong()


@pytest.mark.parametrize(
    ("known_name", "status", "replaces"),
    [("reject", "rejected", None), ("append", "ingested", None), ("replace", "ingested", "old")],
)
def test_a_layout_says_what_becomes_of_a_known_name_with_other_content(
    tmp_path: Path, known_name: str, status: str, replaces: str | None
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv").write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")
    own = layouts.load()
    own["origin"] = own["origin"].model_copy(update={"known_name": known_name})
    seen = [row("old", source_file=str(source / "a.csv"))]

    batch, _ = stage_new_files(tmp_path / "staging", landing.survey(source), Choice(source, layouts=own), seen, NOW)

    assert [(each.status, each.replaces) for each in batch.deliveries] == [(status, replaces)]
    assert (batch.deliveries[0].reason or "known_name: append or replace").endswith("known_name: append or replace")


@pytest.mark.parametrize(
    ("status", "says"), [("withdrawn", "--restore brings it back"), ("erased", r"was erased \(case 17\)$")]
)
def test_the_content_of_what_was_taken_out_is_not_taken_under_another_name(
    tmp_path: Path, status: str, says: str
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "b.csv").write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")
    content = landing.content_id(landing.survey(source).parts[0])
    seen = [row(str(content), status, source_file="/in/a.csv", reason="case 17")]

    batch, _ = stage_new_files(tmp_path / "staging", landing.survey(source), Choice(source), seen, NOW)

    assert [each.status for each in batch.deliveries] == ["rejected"]
    assert re.search(says, str(batch.deliveries[0].reason))


@pytest.mark.parametrize(("others", "status"), [([], "replaced"), (["newer"], "rejected")])
def test_a_file_that_has_the_content_again_that_its_next_one_replaced_is_told(
    tmp_path: Path, others: list[str], status: str
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    file = source / "a.csv"
    file.write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")
    content = str(landing.content_id(landing.survey(source).parts[0]))
    seen = [row(content, "replaced", source_file=str(file), replaced_by="newer", reason="newer one")]
    seen += [row(other, source_file=str(file), batch_id="batch-000002") for other in others]

    batch, known = stage_new_files(tmp_path / "staging", landing.survey(source), Choice(source), seen, NOW)

    assert batch.deliveries == ()
    assert [each.status for each in known] == [status]
    assert str(known[0].reason).endswith(
        "newer one" if not others else f"correct {content[:12]} --restore brings it back"
    )


def test_a_file_that_was_rejected_and_whose_content_counts_by_now_is_a_duplicate(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    file = source / "c.csv"
    file.write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")
    content = str(landing.content_id(landing.survey(source).parts[0]))
    seen = [
        row(content, source_file="/in/a.csv"),  # withdrawn as c.csv came, and restored as its reason says
        row(content, "rejected", source_file=str(file), reason=f"correct {content[:12]} --restore brings it back"),
    ]

    _, known = stage_new_files(tmp_path / "staging", landing.survey(source), Choice(source), seen, NOW)

    assert [(each.status, each.reason) for each in known] == [("duplicate", "same content as /in/a.csv")]


@pytest.mark.parametrize(
    ("status", "message"),
    [("withdrawn", r"is withdrawn; run correct [0-9a-f]{12} --restore$"), ("erased", "was erased: it is not taken in")],
)
def test_content_that_was_taken_out_stands_in_no_place(tmp_path: Path, status: str, message: str) -> None:
    file = tmp_path / "b.csv"
    file.write_text(HEADER + "1,3,2024,hat\n", encoding="utf-8")
    content = str(landing.content_id(landing.survey(file).parts[0]))
    rows = [row("aaaa"), row(content, status)]
    lakehouse: Any = SimpleNamespace(ask=lambda *_: [{"batch_id": None}], staging=tmp_path / "staging")

    with pytest.raises(DataError, match=message):
        correct._take_in_place(lakehouse, IngestParameters(file), rows, rows[0], DECISION)


def test_what_cannot_stand_in_place_of_a_delivery_is_said_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "mended.xlsx").write_bytes(b"PK")
    nothing: Any = None

    with pytest.raises(DataError, match=r"--by .*mended\.xlsx holds 0 .*: its ending is none that is read$"):
        correct._take_in_place(nothing, IngestParameters(tmp_path / "mended.xlsx"), [], {}, DECISION)


def test_delivered_files_that_still_lie_there_are_named_though_their_names_are_no_utf_8(tmp_path: Path) -> None:
    here = [Path(os.fsdecode(bytes(tmp_path) + name)) for name in (b"/caf\xe9.csv", rb"/caf\xe8.csv", b"/plain.csv")]
    names = [Part(path).name for path in (*here, tmp_path / "gone.csv")]
    for path in here:
        path.touch()
    lakehouse: Any = SimpleNamespace(ask=lambda *_: [row("a", source_file=name, erased_count=1) for name in names])

    assert erase._delivered_files(lakehouse) == sorted(names[:3])


def days(*counts: int, first: int = 0, terms: int = 0) -> overlap.Days:
    """Records of one day after another, with a number that stands for their terms."""
    return {FIRST + timedelta(days=first + n): (count, terms + n) for n, count in enumerate(counts)}


WEEKS = (31, 24, 18, 40, 22, 35, 27, 30, 25, 19, 41, 21, 36, 28)


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [
        pytest.param(days(*WEEKS), days(*WEEKS, terms=9), 14, id="the same export, its terms spelled otherwise"),
        pytest.param(days(*WEEKS, 33), days(*WEEKS), 14, id="one day more"),
        pytest.param(days(*WEEKS, 33), days(*WEEKS[:-1], 5), 13, id="one day more, the last one cut off then"),
        pytest.param(days(*WEEKS, *WEEKS), days(*WEEKS), 14, id="all days till now, each time"),
        pytest.param(days(*WEEKS), days(*WEEKS[3:5], first=3), 0, id="two days alike, other terms"),
        pytest.param(days(*WEEKS), days(*WEEKS[3:5], first=3, terms=3), 2, id="two days, the same terms"),
        pytest.param(days(*WEEKS), days(*WEEKS[::-1]), 0, id="another shop's days"),
        pytest.param(days(*WEEKS), days(*WEEKS, first=30), 0, id="other days"),
        pytest.param(days(2, 3, 2, 1, 2), days(2, 3, 2, 1, 2), 0, id="too few to tell"),
        pytest.param(days(), days(*WEEKS), 0, id="no day at all"),
    ],
)
def test_deliveries_are_alike_where_chance_does_not_explain_it(
    one: overlap.Days, other: overlap.Days, count: int
) -> None:
    assert overlap.alike(one, other) == overlap.alike(other, one) == count


@pytest.mark.parametrize(
    "words",
    [
        ["correct", "a.csv"],
        ["correct", "a.csv", "--withdraw"],
        ["correct", "a.csv", "--withdraw", "--restore", "--why", "both"],
        ["correct", "a.csv", "--by", "nowhere.csv", "--why", "mended"],
        ["erase", "--term", "hat"],
        ["erase", "--why", "nothing said"],
    ],
)
def test_a_command_that_does_not_say_what_and_why_is_wrong_usage_of_one_line(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--lakehouse", str(tmp_path / "lake"), *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "lake").exists()


class Tables:
    """Of a lakehouse what corrections are written with."""

    root = None

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows, self.written = rows, list[tuple[list[Any], str | None]]()

    def ask(self, *_: object) -> list[dict[str, Any]]:
        return self.rows

    def create(self, rows: list[Any], _: object) -> list[Any]:
        return rows

    def write(self, rows: list[Any], _: object, where: str | None = None) -> None:
        self.written.append((rows, where))


def full(delivery_id: str | None, **others: Any) -> dict[str, Any]:
    none = dict.fromkeys(DELIVERIES.schema.names)
    return none | {"delivery_id": delivery_id, "source_file": f"{delivery_id}.csv", "batch_id": "batch-000001"} | others


def test_the_reason_of_a_file_that_could_not_be_read_is_changed_with_those_of_others() -> None:
    rows = [full("aa", reason="pen drive"), full(None, reason="Bad CRC-32 for file 'pen drive.csv'"), full("bb")]
    changes = [row | {"reason": "erased"} for row in rows[:2]]
    tables: Any = Tables([])

    corrections.commit(tables, rows, changes)

    [(written, where)] = tables.written
    assert where == "delivery_id is null or delivery_id in ('aa')"
    place = DELIVERIES.schema.names.index("reason")
    assert [row[place] for row in written] == ["erased", "erased"]


def test_a_reason_that_was_given_for_an_earlier_decision_is_erased_too() -> None:
    decisions = [
        dict.fromkeys(CORRECTIONS.schema.names) | {"why": why} for why in ("of Anna@example.com, by mail", "test data")
    ]
    tables: Any = Tables(decisions)

    erase._clear_corrections(tables, Sought(frozenset({"anna@example.com"})))

    [(written, where)] = tables.written
    place = CORRECTIONS.schema.names.index("why")
    assert ([row[place] for row in written], where) == (["erased", "test data"], None)
    assert CORRECTIONS in erase.HOLDING_TEXT
