"""What is fed with anything: the pieces that its inputs are made of, and what must hold for each of them.

`make test` feeds a little with hypothesis, which shortens what fails; `make torture` a lot, from a seeded generator.
"""

from __future__ import annotations

import atexit
import io
import re
import shutil
import tarfile
import tempfile
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from search_forecast.bundle.configuration import User, load
from search_forecast.errors import SearchForecastError
from search_forecast.lakehouse.normalisation import normaliser
from search_forecast.medallion import layouts, objects, records
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.models.archives import Limits, unpack
from search_forecast.queries import catalogue
from search_forecast.queries.answers import Answer
from search_forecast.queries.catalogue import Query
from search_forecast.queries.local import LocalEngine
from support import lakes, reference
from support.bundles import write
from support.mistakes import RIGHT

HEADER = b"day,month,year,searchterm\n"


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        pieces: What its inputs are put together of, text or bytes.
        check: Raises where something does not hold for an input.
        weight: How many inputs it gets for one of the slowest.
    """

    pieces: tuple[Any, ...]
    check: Callable[[Any], None]
    weight: int = 1


def refused_in_one_line(work: Callable[[], Any]) -> Any:
    """What it gives, or None where it is refused as it should be."""
    try:
        return work()
    except SearchForecastError as error:
        complaint = str(error)
    assert "\n" not in complaint, complaint
    return None


def _visible(content: bytes) -> bytes:
    return re.sub(rb"[\r\n \t]", b"", content)


def check_records(content: bytes) -> None:
    """Whatever follows the header, no byte of it is lost but line ends and blanks, in blocks of whatever size."""
    read = []
    for size in (2**20, 1 + len(content) % 7):
        file = io.BytesIO(HEADER + content)
        _, blocks = records.read(lambda _, file=file, size=size: file.read(size))  # type: ignore[misc]
        read.append(b"".join(blocks))
    assert read[0] == read[1]
    assert all(line.strip(b" \t") for line in read[0].split(b"\n")[:-1])
    assert _visible(read[0]) == _visible(content.removeprefix(b"\xef\xbb\xbf") if not read[0] else content)


@cache
def _choice() -> Choice:
    return Choice(Path("/landing"))


def check_headers(content: bytes) -> None:
    """Whatever a file begins with, it has one layout, or is refused in one line; each layout reads it or refuses it."""
    refused_in_one_line(lambda: _choice().of_text(Part(Path("/landing/a.csv")), content))
    export = list(_choice().layouts.values())[len(content) % len(_choice().layouts)]
    refused_in_one_line(lambda: b"".join(records.read(io.BytesIO(content).read, export)[1]))


def check_json(content: bytes) -> None:
    """A line of JSON, or of what looks like it, is a line of fields, or stays as it is."""
    refused_in_one_line(lambda: _choice().of_objects(Part(Path("/landing/a.json")), objects.first_of_json(content)))
    export = list(_choice().layouts.values())[len(content) % len(_choice().layouts)]
    lines = b"".join(objects.lines_of_json(io.BytesIO(content).read, export)).split(b"\n")[:-1]
    text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    assert len(lines) == sum(bool(line.strip(" \t\ufeff")) for line in text.split("\n"))


def check_term(text: str) -> None:
    """A term is what the specification says, and stays what it is when it is normalised again."""
    once = normaliser()(text)
    assert once == reference.normalise(text)
    assert normaliser()(once) == once
    assert not any(unicodedata.category(c) in ("Cc", "Cf") or (c.isspace() and c != " ") for c in once)


def check_layout(text: str) -> None:
    """A layout's YAML is read, or refused in one line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mine.yml")
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        refused_in_one_line(lambda: layouts.read(path))


@cache
def _folder() -> Path:
    """What all inputs are tried in: there until the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _bundle() -> Path:
    return write(_folder() / "bundle", dict(RIGHT))


def check_bundle(text: str) -> None:
    """A bundle with any resource beside its own is read and resolved, or refused in one line."""
    (_bundle() / "resources" / "x.yml").write_text(text, encoding="utf-8", errors="surrogatepass")
    refused_in_one_line(lambda: load(_bundle(), user=User("ann")))


@cache
def _packed() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        for name in ("m/metadata/part-00000", "m/data/part-0"):
            info = tarfile.TarInfo(name)
            info.size = 4
            packed.addfile(info, io.BytesIO(b"text"))
    return file.getvalue()


def check_archive(content: bytes) -> None:
    """An archive with bytes changed writes into its own directory only, or is refused in one line."""
    data = bytearray(_packed())
    for number, byte in enumerate(content):
        data[(number * 131 + byte * 7) % 2048] = byte
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.tar").write_bytes(data)
        refused_in_one_line(lambda: unpack(Path(folder) / "a.tar", Path(folder) / "into", Limits()))
        assert {path.name for path in Path(folder).iterdir()} <= {"a.tar", "into"}


class Spark:
    """Stands in for Spark: looks at what it is asked as Spark's own lexer splits it, and answers nothing."""

    _TOKEN = re.compile(
        r"""(?P<text>r?'(?:[^'\\]|\\.)*'|r?"(?:[^"\\]|\\.)*")|(?P<name>`(?:[^`]|``)*`)|(?P<comment>--|/\*)|\w+|\s+|.""",
        re.DOTALL | re.IGNORECASE,
    )

    def has(self, _table: str) -> bool:
        """There is none."""
        return False

    def version(self, _table: str) -> int:
        """There is none."""
        return 0

    def run(self, sql: str, _values: Mapping[str, object], _inputs: Sequence[str]) -> Answer:
        """Raise where it would do more than read tables."""
        tokens = list(self._TOKEN.finditer(sql))
        assert not any(token["comment"] or token[0] == ";" for token in tokens), sql
        assert not any("/" in (token["name"] or "") and tokens[n - 1][0] == "." for n, token in enumerate(tokens)), sql
        return Answer([], [])


@cache
def _lake() -> tuple[Path, LocalEngine]:
    root = _folder() / "sql"
    root.mkdir()
    (root / "secret.csv").write_text("a\nopen sesame\n", encoding="utf-8")
    lake = lakes.whole(root / "lake")
    return lake, LocalEngine(lake, Spark)


def _state(lake: Path) -> list[tuple[str, int, int]]:
    return sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in lake.parent.rglob("*"))


def check_sql(text: str) -> None:
    """Whatever is asked, it changes nothing, reads no file but the tables', and is refused in one line or answered."""
    lake, engine = _lake()
    before = _state(lake)
    answer = refused_in_one_line(lambda: engine.ask(text.replace("FILE", str(lake.parent / "secret.csv"))))
    assert _state(lake) == before
    assert answer is None or "sesame" not in str(answer.rows)


@cache
def _queries() -> list[Query]:
    return [catalogue.load(name) for name in catalogue.names()]


def check_values(text: str) -> None:
    """A value in a query is a value: it comes back as it was, and every parameter takes it or refuses it."""
    _, engine = _lake()
    if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert engine.run("select :term as term", {"term": text}, []).rows == [(text,)]
    for query in _queries():
        for parameter in query.parameters:
            refused_in_one_line(lambda q=query, p=parameter: q.arguments({p.name: text}))  # type: ignore[misc]


_BYTES = (
    b",", b";", b"\t", b'"', b'""', b"\n", b"\r\n", b"\r", b"\0", b"\xef\xbb\xbf", b"\xff", "é".encode(), b" ",
    b"1,3,2024,hat\n", b'1,3,2024,"hat"\n', b'1,3,2024,"a\nb"\n', b"1", b"2024", b"hat", b"\\", b"#", b"'",
)  # fmt: skip
_HEADERS = (
    *_BYTES, b"day", b"month", b"year", b"searchterm", b"Search Term", b"date", b"query", b"count", b"sep=;\n",
    b"\xff\xfe", HEADER, b"Top queries,Clicks\n", b"# comment\n", b"timestamp",
)  # fmt: skip
_JSON = (
    b"{", b"}", b"[", b"]", b'"', b":", b",", b"\n", b"\\u0000", b"\\ud800", b"null", b"1e999", b"-0", b"NaN",
    b'{"query": "hat", "timestamp": "2024-03-05T01:00:00Z"}\n', b'"query"', b'"timestamp"', b"\xff", b" ", b"1" * 5000,
    b"[" * 2000, b"\xef\xbb\xbf", b"\x1f", b"\r",
)  # fmt: skip
_TERM = (
    "a", "A", "İ", "ß", "ſ", "ﬁ", "é", "e", "\u0301", "\u0345", "\u200d", "\u00ad", "\u1112", "\u1161", " ", "\t",
    "\x00", "\x1c", "\u00a0", "\u2028", "\ufeff", "\u202e", "ά", "Σ", "ς", "½", "㍿", "\ud800", "💻", "\U000e0001",
    "\u0f73", "\u037a", "\u1fb3", "\u3164", "\u115f", "ﷺ", "\u0958", "\u2126", "Ⅷ", "\u034f",
)  # fmt: skip
_YAML = (
    "fields:", " ", "\n", "  ", "- ", "searchterm", "day: [day]", "{", "}", "[", "]", "&a", "*a", "<<: *a",
    "!!python/object", "name: x", "choose: by_header", "refuse: no", "\"", "'", ":", "|", "?", "#", "\t", "1",
    "null", "encoding: utf-16", "totals: {field: a, pattern: '('}", "example: a", "\x00", "\ud800", "2024-13-45",
    "&x [*x]", "12:30:99",
)  # fmt: skip
_SQL = (
    "select", "*", "from", "term_summary", "search_gold.term_variants", "with", "as", "(", ")", ",", ";", "'", '"',
    "`", "--", "\\\n", "\n", "/*", "*/", "/*+", "union all", "csv.`FILE`", "text.`FILE`", "`csv.FILE`", "'FILE'",
    "read_csv('FILE')", "copy", "to 'FILE'", "attach 'FILE'", "install httpfs", "pragma database_list", "set",
    "drop table", "insert into", "values (1)", "term", "1", "x", "where", "order by", "limit 1",
    "dayofweek(current_date())", "=", "getenv('HOME')", "current_setting('x')", ":a", "$$", "r'", "\x00",
    "lateral view", "explode(array(1))", " ", "\r",
    "with `csv.FILE` as (select 1) select dayofweek(current_date()), * from csv.`FILE`",
    "select dayofweek(current_date()), term from term_summary",
)  # fmt: skip
_VALUES = (
    "'", '"', "\\", ";", "--", "hat", "2024-03-01", "week", "0", "-1", "é", "\n", ":a", "{", "%", "$1", "\ud800",
    "\x00", "?",
)  # fmt: skip
TARGETS = {
    "CSV records": Target(_BYTES, check_records, 20),
    "headers and layouts": Target(_HEADERS, check_headers),
    "JSON lines": Target(_JSON, check_json, 4),
    "terms": Target(_TERM, check_term, 40),
    "YAML of layouts": Target(_YAML, check_layout),
    "YAML of bundles": Target(
        (
            *_YAML,
            "resources:",
            "jobs:",
            "tasks:",
            "${var.catalog}",
            "${",
            "{{job.id}}",
            "targets:",
            "variables:",
            "include:",
        ),
        check_bundle,
    ),
    "archives": Target(tuple(bytes([n]) for n in range(256)), check_archive, 2),
    "sql": Target(_SQL, check_sql),
    "parameters of queries": Target(_VALUES, check_values),
}
