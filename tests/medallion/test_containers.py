"""What deliveries are packed in. Without Spark."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import zipfile
from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from search_forecast.errors import DataError
from search_forecast.medallion import containers, landing
from search_forecast.medallion.choice import Choice
from search_forecast.medallion.containers import Part
from search_forecast.medallion.new_files import stage_new_files

CONTENT = b"date,query,count\n" + b"2024-03-01,laptop,3\n" * 50_000
NOW = datetime(2024, 4, 1, tzinfo=timezone.utc)


def zstandard(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


PACKED = {".gz": gzip.compress(CONTENT), ".bz2": bz2.compress(CONTENT), ".zst": zstandard(CONTENT)}


@pytest.mark.parametrize("ending", PACKED)
def test_a_packed_file_is_known_by_its_content(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"A.CSV{ending.upper()}"
    path.write_bytes(PACKED[ending])

    delivery = landing.stage(Part(path), tmp_path)

    assert (delivery.record_count, delivery.bytes) == (50_000, len(PACKED[ending]))
    assert delivery.delivery_id == landing.content_id(Part(path)) == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("cut", [9, 1000])
@pytest.mark.parametrize(("ending", "kind"), [(".gz", "gzip"), (".bz2", "bzip2"), (".zst", "zstd")])
def test_a_packed_file_that_is_cut_off_or_no_such_file_is_refused(
    tmp_path: Path, ending: str, kind: str, cut: int
) -> None:
    import random

    noise = b"date,query,count\n" + b"".join(
        b"2024-03-01,%d,3\n" % random.Random(n).getrandbits(99) for n in range(999)
    )
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard}[ending]
    for name, data in (("cut", pack(noise)[:-cut]), ("no", CONTENT)):
        path = tmp_path / f"{name}.csv{ending}"
        path.write_bytes(data)

        with pytest.raises(DataError, match=f"the {kind} file is broken .*; compress it and deliver it again"):
            landing.stage(Part(path), tmp_path)

        assert landing.content_id(Part(path)) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize("is_broken", [False, True])
def test_what_was_packed_in_several_streams_is_read_to_the_end_or_refused(
    tmp_path: Path, ending: str, *, is_broken: bool
) -> None:
    """As pbzip2 and pigz write, or `cat a.bz2 b.bz2`: a stream in which nothing is packed any more hides the rest."""
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard}[ending]
    second = pack(b"2024-03-02,hat,1\n")
    path = tmp_path / f"a.csv{ending}"
    path.write_bytes(PACKED[ending] + (b"\xff" + second[1:] if is_broken else second) + second)

    if is_broken:
        with pytest.raises(DataError, match=r"file is broken .*; compress it"):
            landing.stage(Part(path), tmp_path)
    else:
        assert landing.stage(Part(path), tmp_path).record_count == 50_002


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.csv.gz"])
@pytest.mark.parametrize("ending", [*PACKED, ".zip", ".parquet"])
def test_what_is_packed_without_saying_so_is_refused_with_its_ending(tmp_path: Path, name: str, ending: str) -> None:
    parquet.write_table(pa.table({"date": ["2024-03-01"]}), tmp_path / "table")
    others = {".zip": zipped({"a.csv": CONTENT}), ".parquet": (tmp_path / "table").read_bytes()}
    content = (PACKED | others)[ending]
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    with pytest.raises(DataError, match=rf"not text, it begins as \{ending} .*; name it so, or save it as CSV$"):
        landing.stage(Part(tmp_path / name), tmp_path)


def test_each_member_of_a_zip_file_is_a_delivery_named_by_its_path(tmp_path: Path) -> None:
    header, path = b"date,query,count\n", tmp_path / "in" / "week 9.zip"
    path.parent.mkdir()
    members = {
        "b/2.csv": header + b"2024-03-02,tv,1\n",
        "1.csv.gz": gzip.compress(header + b"2024-03-01,tv,1\n"),
        "u.jsonl": b'{"user_query": "tv", "timestamp": "2024-03-03"}\n',
        "again.csv": header + b"2024-03-02,tv,1\n",
        "empty/": b"",
        "readme.pdf": b"",
        "__MACOSX/._2.csv": b"",
        "b/.2.csv": b"",
    }
    path.write_bytes(zipped(members))

    survey, choice = landing.survey(tmp_path / "in"), Choice(tmp_path / "in")
    batch, _ = stage_new_files(tmp_path / "staging", survey, choice, [], NOW)

    assert [(d.source_file, d.status, d.layout_name) for d in batch.deliveries] == [
        (f"{path}/1.csv.gz", "ingested", "plain"),
        (f"{path}/again.csv", "ingested", "plain"),
        (f"{path}/b/2.csv", "duplicate", None),
        (f"{path}/u.jsonl", "ingested", "ubi"),
    ]
    assert batch.deliveries[0].delivery_id == hashlib.sha256(header + b"2024-03-01,tv,1\n").hexdigest()
    assert set(survey.passed_over) == {f"{path}/{name}" for name in ("readme.pdf", "__MACOSX/._2.csv", "b/.2.csv")}

    rows = [{**vars(d), "batch_id": "batch-000001"} for d in batch.deliveries]
    again, known = stage_new_files(tmp_path / "staging", survey, choice, rows, NOW)
    assert (again.deliveries, len(known)) == ((), 4)


def encrypted(data: bytes) -> bytes:
    """Say of every member that it is encrypted, as a writer with a password does."""
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(mark)
        while at >= 0:
            data = data[: at + place] + bytes([data[at + place] | 1]) + data[at + place + 1 :]
            at = data.find(mark, at + 1)
    return data


WRONG_SUM = zipped({"a.csv": CONTENT}, zipfile.ZIP_STORED).replace(b"laptop", b"lapdog", 1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped({"../../a.csv": CONTENT}), "its name leads out of the zip file"),
        (zipped({"/etc/a.csv": CONTENT}), "its name leads out of the zip file"),
        (zipped({"C:\\a.csv": CONTENT}), "its name leads out of the zip file"),
        (zipped({"a.zip": zipped({"a.csv": CONTENT})}), "it is a zip file in a zip file; unpack it and deliver it"),
        (encrypted(zipped({"a.csv": CONTENT})), "it is encrypted; deliver it without a password"),
        (zipped({"a.csv": CONTENT})[:-30], "the zip file is broken"),
        (b"date,query,count\n", "the zip file is broken"),
        (WRONG_SUM, "the member of the zip file is broken (Bad CRC-32"),
        (zipped({}), "the zip file holds no file"),
        (zipped({"week 9/": b""}), "the zip file holds no file"),
        (zipped({"a.csv": CONTENT}) + zipped({"b.csv": CONTENT}), "another zip file stands before it"),
    ],
)
def test_what_is_wrong_in_a_zip_file_is_refused_by_name(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    path.write_bytes(data)
    survey, choice = landing.survey(path), Choice(path)

    batch, _ = stage_new_files(tmp_path / "staging", survey, choice, [], NOW)

    (delivery,) = batch.deliveries
    assert (delivery.status, delivery.source_file.startswith(str(path))) == ("rejected", True)
    assert message in str(delivery.reason)
    assert not list((tmp_path / "staging").rglob("*.parquet"))
    rows = [{**vars(delivery), "batch_id": "batch-000001"}]
    assert stage_new_files(tmp_path / "staging", survey, choice, rows, NOW)[0].deliveries == ()


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.bz2", ".csv.zst", ".zip"])
def test_what_grows_out_of_all_proportion_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(containers, "MANY_BYTES", 2**19)
    data = b"date,query,count\n" + b"2024-03-01,laptop,3\n" * 60_000
    pack = {".csv.gz": gzip.compress, ".csv.bz2": bz2.compress, ".csv.zst": zstandard}
    path = tmp_path / f"bomb{ending}"
    path.write_bytes(zipped({"a.csv": data}) if ending == ".zip" else pack[ending](data))
    (part,) = landing.survey(path).parts

    with pytest.raises(DataError, match="over 200 times"):
        landing.stage(part, tmp_path)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_MEMBERS", 2)
    (tmp_path / "a.zip").write_bytes(zipped({f"{n}.csv": CONTENT for n in range(3)}))

    (part,) = landing.survey(tmp_path / "a.zip").parts

    assert "over 2 members" in str(part.problem)


def test_an_error_of_the_one_who_reads_is_not_told_as_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(PACKED[".gz"])

    with pytest.raises(OSError, match="No space left"), containers.opened(Part(path)):
        raise OSError("No space left on device")


@pytest.mark.parametrize("is_in_directory", [False, True])
def test_a_name_in_a_zip_file_that_is_no_utf_8_though_it_says_so_is_one_line(
    tmp_path: Path, *, is_in_directory: bool
) -> None:
    packed = zipped({"ä.csv": CONTENT})  # twice: before the content, and in the directory at the end
    place = packed.rfind("ä".encode()) if is_in_directory else packed.find("ä".encode())
    (tmp_path / "a.zip").write_bytes(packed[:place] + b"\xff\xff" + packed[place + 2 :])
    (tmp_path / "b.csv").write_bytes(CONTENT)

    batch, _ = stage_new_files(tmp_path / "lake", landing.survey(tmp_path), Choice(tmp_path), [], NOW)

    assert [each.status for each in batch.deliveries] == ["rejected", "ingested"]
    assert "zip file is broken" in str(batch.deliveries[0].reason)


def test_a_broken_member_packed_by_lzma_is_one_line(tmp_path: Path) -> None:
    packed = bytearray(zipped({"a.csv": CONTENT}, zipfile.ZIP_LZMA))
    packed[60:90] = b"\xff" * 30
    (tmp_path / "a.zip").write_bytes(packed)

    (part,) = landing.survey(tmp_path / "a.zip").parts

    with pytest.raises(DataError, match="the member of the zip file is broken"):
        landing.stage(part, tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused_as_only_one_of_them_can_be_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for content in (CONTENT, CONTENT + b"2024-03-02,hat,1\n"):
            archive.writestr("a.csv", content)

    (part,) = landing.survey(tmp_path / "a.zip").parts

    assert "several members of this name" in str(part.problem)


def test_the_directory_of_a_zip_file_is_read_once_and_again_when_the_file_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, read, of_python = tmp_path / "in" / "a.zip", list[str](), zipfile.ZipFile
    path.parent.mkdir()
    path.write_bytes(zipped({f"{n}.csv": CONTENT + b"2024-03-02,hat,%d\n" % n for n in range(3)}))

    def counted(file: io.BufferedReader) -> zipfile.ZipFile:
        read.append(str(path))
        return of_python(file)

    monkeypatch.setattr(containers.zipfile, "ZipFile", counted)
    survey = landing.survey(path)
    ids = [landing.content_id(part) for part in survey.parts]
    batch, _ = stage_new_files(tmp_path / "staging", survey, Choice(path), [], NOW)

    assert ids == [hashlib.sha256(CONTENT + b"2024-03-02,hat,%d\n" % n).hexdigest() for n in range(3)]
    assert [(each.delivery_id, each.status) for each in batch.deliveries] == [(each, "ingested") for each in ids]
    assert len(read) == 1

    with monkeypatch.context() as patch:
        patch.setattr(containers.zipfile, "ZipFile", of_python)
        (tmp_path / "other.zip").write_bytes(zipped({"0.csv": b"date,query\n", "1.csv": CONTENT}))
    (tmp_path / "other.zip").replace(path)

    assert landing.content_id(survey.parts[1]) == hashlib.sha256(CONTENT).hexdigest()
    assert len(read) == 2
