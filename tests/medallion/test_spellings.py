"""The list of accepted spellings as a person writes it, and what stands in its way; no Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from search_forecast.cli.call import reader
from search_forecast.errors import DataError
from search_forecast.lakehouse import spreadsheet
from search_forecast.lakehouse.tables import Lakehouse
from search_forecast.medallion.erase import sought
from search_forecast.medallion.spellings import Spellings, accepted, read_spellings
from search_forecast.parameters import EraseParameters
from support import lakes

if TYPE_CHECKING:
    from pathlib import Path


def read(tmp_path: Path, *lines: str) -> Spellings:
    (tmp_path / "list.csv").write_text("\n".join(("variant,term", *lines)) + "\n", encoding="utf-8")
    return read_spellings(tmp_path / "list.csv")


def test_both_sides_are_normalised_and_the_order_of_lines_does_not_matter(tmp_path: Path) -> None:
    spellings = read(tmp_path, " LPATOP ,Laptop", "", "CAFE,café", "labtop,laptop")

    assert spellings.rows == (("cafe", "café"), ("labtop", "laptop"), ("lpatop", "laptop"))
    assert read(tmp_path, "labtop,laptop", "lpatop,laptop", "cafe,café") == spellings
    assert read(tmp_path).rows == ()


def test_a_blank_before_a_quote_does_not_make_it_text(tmp_path: Path) -> None:
    assert read(tmp_path, 'labtop, "laptop"', ' "lap, top", "laptop"').rows == (
        ("labtop", "laptop"),
        ("lap, top", "laptop"),
    )


def test_a_chain_of_lines_counts_for_the_term_at_its_end(tmp_path: Path) -> None:
    spellings = read(tmp_path, "labtopp,laptopp", "laptopp,Laptop", "lpatop,labtopp")

    assert spellings.rows == (("labtopp", "laptop"), ("laptopp", "laptop"), ("lpatop", "laptop"))


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_long_chain_is_followed_once(tmp_path: Path, *, is_reversed: bool) -> None:
    numbers = sorted(range(3000), reverse=is_reversed)  # a minute where each line follows it anew

    spellings = read(tmp_path, *(f"spelling {number},spelling {number + 1}" for number in numbers))

    assert set(spellings.rows) == {(f"spelling {number}", "spelling 3000") for number in numbers}


def test_what_the_query_of_suggestions_prints_is_a_list(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("variant,term,search_count,term_search_count\nlpatop,laptop,3,900\n")

    assert read_spellings(tmp_path / "list.csv").rows == (("lpatop", "laptop"),)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_spreadsheet_of_another_language_may_have_saved_the_list(tmp_path: Path, delimiter: str) -> None:
    lines = [delimiter.join(fields) for fields in (("variant", "term"), ("lpatop", "laptop"), ("lap, top", "laptop"))]
    (tmp_path / "list.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")

    assert read_spellings(tmp_path / "list.csv").rows == (("lap, top", "laptop"), ("lpatop", "laptop"))


def test_a_term_that_a_spreadsheet_would_take_for_a_formula_is_itself_again(tmp_path: Path) -> None:
    rows = [("@hoem", "@home"), ("-50% sael", "-50% sale"), ("'70s", "70s"), ("a;=1", "a;@")]
    with (tmp_path / "list.csv").open("w", encoding="utf-8") as out:
        spreadsheet.write(out, ["variant", "term"], rows)

    assert read_spellings(tmp_path / "list.csv").rows == (
        ("'70s", "70s"),
        ("-50% sael", "-50% sale"),
        ("@hoem", "@home"),
        ("a;=1", "a;@"),
    )


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["tv,telly", "telly,tv"], "line 2: 'tv' leads back to itself (tv, telly, tv); take one of these lines out"),
        (["a,b", "b,c", "c,b"], "line 3: 'b' leads back to itself (b, c, b); take one of these lines out"),
        (["lpatop,laptop", "Lpatop,tablet"], "line 3: 'lpatop' is the variant of line 2 too; keep one of them"),
        (["Laptop,laptop"], "line 2: 'laptop' is both, once normalised; take the line out"),
        (["lpatop,\u200b"], "line 2: term needs 1 to 256 characters once normalised"),
        (["x" * 257 + ",laptop"], "line 2: variant needs 1 to 256 characters once normalised"),
        (["lpatop"], "line 2 has 1 field, expected 2"),
        (['"two', 'lines",laptop', "lpatop"], "line 4 has 1 field, expected 2"),
    ],
)  # fmt: skip
def test_the_first_line_that_is_wrong_is_named_with_what_to_do(tmp_path: Path, lines: list[str], what: str) -> None:
    with pytest.raises(DataError, match=r"load-spellings: .*list\.csv") as caught:
        read(tmp_path, *lines)

    assert what in str(caught.value)


def house_with(root: Path, *rows: tuple[str, str]) -> Lakehouse:
    lakes.append(root, "accepted_spellings", [{"variant": variant, "term": term} for variant, term in rows])
    return Lakehouse(lambda: pytest.fail("needs Spark"), root, root / "_staging", reader=reader(root))


def test_gold_tells_by_which_list_it_was_counted(tmp_path: Path) -> None:
    spellings = accepted(house_with(tmp_path, ("lpatop", "laptop"), ("labtop", "laptop")))
    other = Spellings((("lpatop", "laptop"),))

    assert spellings.rows == (("labtop", "laptop"), ("lpatop", "laptop"))
    assert Spellings().position(7) == "search_events@7"
    assert spellings.position(7).endswith(", search_events@7")
    assert spellings.are_those_of(spellings.position(9))
    assert not spellings.are_those_of(other.position(9))
    assert not spellings.are_those_of("search_events@9")
    assert not Spellings().are_those_of(other.position(9))


def test_a_term_is_erased_with_the_spellings_that_count_for_it(tmp_path: Path) -> None:
    house = house_with(tmp_path, ("jnae doe", "jane doe"), ("hatt", "hat"))

    assert sought(house, EraseParameters("case 17", term="Jane Doe")).terms == {"jane doe", "jnae doe"}
    assert sought(house, EraseParameters("case 17", term="jnae doe")).terms == {"jnae doe"}


def test_what_a_pattern_finds_is_erased_with_the_spellings_that_count_for_it(tmp_path: Path) -> None:
    house = house_with(tmp_path, ("j d zurich", "jane doe"), ("jane", "dame"), ("hatt", "hat"))

    what = sought(house, EraseParameters("case 17", matching="^jane"))

    texts = ["Jane Doe", "J D Zurich", "jane", "dame", "hatt", "x j d zurich", "x jane"]
    assert [text for text in texts if what.rule()(text, True)] == ["Jane Doe", "J D Zurich", "jane"]
    assert [text for text in texts if what.is_in(text)] == ["Jane Doe", "J D Zurich", "jane", "x j d zurich"]
