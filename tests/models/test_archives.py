"""Archives that nobody should unpack: made here, refused with one clear line, and nothing is written elsewhere."""

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search_forecast.errors import DataError, UsageError
from search_forecast.models.archives import Limits, unpack

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"x", **fields: object) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar(path: Path, *members: Member, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for info, content in members:
            packed.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return path


def zipped(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members:
            packed.writestr(name, content)
    return path


def directory(path: Path) -> Member:
    return member(str(path), b"", type=tarfile.DIRTYPE)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory of its own inside tmp_path, so that what lands beside it is seen."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def refused(archive: Path, reason: str, limits: Limits | None = None) -> None:
    """The archive is refused for this reason, in one line, and nothing is made outside its own directory."""
    into = archive.parent / "into"
    top = archive.parent.parent
    before = set(top.rglob("*"))
    with pytest.raises(DataError) as caught:
        unpack(archive, into, limits or Limits())
    message = str(caught.value)
    assert reason in message
    assert "\n" not in message
    outside = {path for path in top.rglob("*") if into not in (path, *path.parents)}
    assert outside == before


def refusal(archive: Path) -> str:
    """Why the archive is refused; empty where it is not."""
    try:
        unpack(archive, archive.parent / "into")
    except DataError as error:
        return str(error)
    return ""


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


GOOD = {"m/metadata/part-00000": b"{}", "m/data/._SUCCESS.crc": b"crc", "m/data/empty": b""}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_is_unpacked_as_it_is(here: Path, mode: str) -> None:
    members = [member(name, content) for name, content in GOOD.items()]
    unpack(tar(here / "a.tar", directory(Path("m")), *members, mode=mode), here / "into")
    assert tree(here / "into") == GOOD


def test_a_zip_is_unpacked_as_it_is(here: Path) -> None:
    unpack(zipped(here / "a.zip", ("m/", b""), *GOOD.items()), here / "into")
    assert tree(here / "into") == GOOD


def test_a_directory_is_copied_as_it_is(here: Path) -> None:
    unpack(zipped(here / "a.zip", *GOOD.items()), here / "first")
    unpack(here / "first", here / "into")
    assert tree(here / "into") == GOOD


def test_a_leading_dot_and_a_directory_after_its_files_are_harmless(here: Path) -> None:
    unpack(tar(here / "a.tgz", member("./m/a"), directory(Path("./m")), directory(Path("."))), here / "into")
    assert tree(here / "into") == {"m/a": b"x"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "m/b"])
def test_a_link_in_a_tar_is_refused(here: Path, kind: bytes, target: str) -> None:
    refused(tar(here / "a.tgz", member("m/b"), member("m/a", b"", type=kind, linkname=target)), "a link to")


def test_a_file_through_a_link_is_refused(here: Path) -> None:
    link = member("m", b"", type=tarfile.SYMTYPE, linkname="..")
    refused(tar(here / "a.tgz", link, member("m/escaped")), "a link to")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_in_a_tar_is_refused(here: Path, kind: bytes) -> None:
    refused(tar(here / "a.tgz", member("m/a", b"", type=kind)), "a device")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_or_device_in_a_zip_is_refused(here: Path, mode: int) -> None:
    info = zipfile.ZipInfo("m/a")
    info.external_attr = (mode | 0o777) << 16
    with zipfile.ZipFile(here / "a.zip", "w") as packed:
        packed.writestr(info, "/etc/passwd")
    refused(here / "a.zip", "a link or device")


def test_a_link_in_a_directory_is_refused(here: Path) -> None:
    source = here / "source"
    source.mkdir()
    (source / "a").symlink_to("/etc/passwd")
    refused(source, "a link or device")


def test_a_pipe_in_a_directory_is_refused_and_not_waited_for(here: Path) -> None:
    (here / "source").mkdir()
    os.mkfifo(here / "source" / "a")
    refused(here / "source", "a link or device")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/tmp/escaped", "an absolute path"),
        ("../escaped", "a path with .."),
        ("m/../../escaped", "a path with .."),
        ("m/..", "a path with .."),
        ("C:/escaped", "an absolute path"),
        ("m\\..\\escaped", "backslash"),
        ("m/a\nb", "control"),
        ("/".join("d" * 40), "too deep"),
        ("m/" + "a" * 256, "too long"),
    ],
)
@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_name_that_leads_elsewhere_is_refused(here: Path, name: str, reason: str, make: str) -> None:
    archive = tar(here / "a.tgz", member(name)) if make == "tar" else zipped(here / "a.zip", (name, b"x"))
    refused(archive, reason)


def test_a_name_that_is_no_utf_8_is_refused(here: Path) -> None:
    info, content = member("m/\udcff")
    with tarfile.open(here / "a.tgz", "w:gz", format=tarfile.GNU_FORMAT, errors="surrogateescape") as packed:
        packed.addfile(info, io.BytesIO(content))
    refused(here / "a.tgz", "undecodable")


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("m/a", "m/a", "in it twice"),
        ("m/a", "./m//a", "in it twice"),
        ("m/a", "m/a/b", "in it twice"),
        ("m/a/b", "m/a", "in it twice"),
        ("m/Data", "m/data", "differ by case"),
        ("m/é", "m/e\u0301", "differ by case or Unicode form"),
        ("m/ﬁ", "m/fi", "differ by case or Unicode form"),
        ("M/a", "m/b", "differ by case"),
    ],
)
@pytest.mark.parametrize("make", ["tar", "zip"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_for_one_path_are_refused(here: Path, first: str, second: str, reason: str, make: str) -> None:
    if make == "tar":
        archive = tar(here / "a.tgz", member(first), member(second))
    else:
        archive = zipped(here / "a.zip", (first, b"x"), (second, b"y"))
    refused(archive, reason)


def test_too_many_members_are_refused(here: Path) -> None:
    members = [member(f"m/{number}", b"") for number in range(20)]
    refused(tar(here / "a.tgz", *members), "more than 10 members", Limits(members=10))


def test_too_many_bytes_are_refused(here: Path) -> None:
    noise = os.urandom(3 << 20)
    refused(tar(here / "a.tgz", member("m/a", noise)), "more than 2 MB", Limits(bytes=2 << 20))


@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_decompression_bomb_is_refused_before_it_is_written(here: Path, make: str) -> None:
    zeros = bytes(30 << 20)
    archive = tar(here / "a.tgz", member("m/a", zeros)) if make == "tar" else zipped(here / "a.zip", ("m/a", zeros))
    assert archive.stat().st_size < 100_000
    refused(archive, "bomb")
    assert sum(path.stat().st_size for path in (here / "into").rglob("*") if path.is_file()) < 25 << 20


def test_a_header_that_unpacks_to_gigabytes_is_refused(here: Path) -> None:
    """A pax header is read into memory before any member is seen."""
    header = tarfile.TarInfo("././@PaxHeader")
    header.type = tarfile.XHDTYPE
    header.size = 2 << 30
    with gzip.open(here / "a.tgz", "wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(60):
            file.write(bytes(1 << 20))
    refused(here / "a.tgz", "bomb")


def test_a_sparse_member_is_refused(here: Path) -> None:
    info = tarfile.TarInfo("m/a")
    info.type = tarfile.GNUTYPE_SPARSE
    refused(tar(here / "a.tgz", (info, b"")), "sparse")


def test_an_encrypted_zip_is_refused(here: Path) -> None:
    archive = zipped(here / "a.zip", ("m/a", b"x"))
    content = bytearray(archive.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + place] |= 1
    archive.write_bytes(content)
    refused(archive, "encrypted")


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut, flipped])
@pytest.mark.parametrize("make", ["tar", "zip"])
def test_a_damaged_archive_is_refused(here: Path, damage: Callable[[bytes], bytes], make: str) -> None:
    noise = os.urandom(50_000)
    archive = tar(here / "a.tgz", member("m/a", noise)) if make == "tar" else zipped(here / "a.zip", ("m/a", noise))
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, "damaged")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_of_another_method_is_refused_where_it_is_damaged(here: Path, method: int) -> None:
    with zipfile.ZipFile(here / "a.zip", "w", method) as packed:
        packed.writestr("m/a", b"some text" * 1000)
    content = bytearray((here / "a.zip").read_bytes())
    content[50:60] = bytes(10)
    (here / "a.zip").write_bytes(content)
    refused(here / "a.zip", "damaged")


def test_a_zip_whose_members_lie_before_its_start_is_refused(here: Path) -> None:
    content = bytearray(zipped(here / "a.zip", ("m/a", b"x")).read_bytes())
    content[content.index(b"PK\x05\x06") + 16] += 100  # where its list of members is said to begin
    (here / "a.zip").write_bytes(content)
    refused(here / "a.zip", "damaged")


def test_a_path_longer_than_the_system_takes_is_refused(here: Path) -> None:
    refused(tar(here / "a.tgz", member("/".join(["d" * 250] * 20))), "too deep or too long")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("model.pkl", b"\x80\x04\x95", "pickle"),
        ("model.joblib", b"anything", "pickle"),
        ("model.bin", b"\x80\x05\x95", "pickle"),
        ("model.tar.gz", b"not an archive", "neither a .tar.gz"),
        ("model.tar.gz", b"", "neither a .tar.gz"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(here: Path, name: str, content: bytes, reason: str) -> None:
    (here / name).write_bytes(content)
    refused(here / name, reason)


def test_a_pipe_offered_as_archive_is_refused(here: Path) -> None:
    os.mkfifo(here / "model.tar.gz")
    refused(here / "model.tar.gz", "neither a file nor a directory")


def test_no_archive_there_is_wrong_usage(here: Path) -> None:
    with pytest.raises(UsageError, match=r"no archive .*nope\.zip"):
        unpack(here / "nope.zip", here / "into")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4), content=st.binary(max_size=20))
def test_whatever_the_names_only_its_own_directory_is_written(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], content: bytes
) -> None:
    here = tmp_path_factory.mktemp("names")
    try:
        members = [member(name, content) for name in names]
        archive = tar(here / "a.tar", *members, mode="w")
    except (ValueError, UnicodeEncodeError):
        return
    assert "\n" not in refusal(archive)
    assert sorted(path.name for path in here.iterdir()) == ["a.tar", "into"]


@settings(max_examples=150, deadline=None)
@given(content=st.binary(max_size=600), start=st.sampled_from([b"", b"\x1f\x8b\x08", b"PK\x03\x04", b"PK\x05\x06"]))
def test_whatever_the_bytes_the_answer_is_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, start: bytes
) -> None:
    here = tmp_path_factory.mktemp("bytes")
    (here / "a.tar.gz").write_bytes(start + content)
    assert refusal(here / "a.tar.gz").count("\n") == 0
