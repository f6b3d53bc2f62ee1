"""A lakehouse is backed up and restored: the same files, which other readers open. No Spark."""

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from search_forecast.errors import DataError, UsageError
from search_forecast.lakehouse import half_restored
from search_forecast.upkeep import backup as task
from support import lakes

NOW = datetime(2026, 11, 26, 7, 30, tzinfo=timezone.utc)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    root = lakes.whole(tmp_path / "lake [1]#%41")
    (root / "_mlflow").mkdir()
    with closing(sqlite3.connect(root / "_mlflow" / "mlflow.db")) as database, database:
        database.execute("create table runs (name text)")
        database.execute("insert into runs values ('first')")
    scratch = root / "_staging" / "scratch" / "x"
    scratch.mkdir(parents=True)
    for file in (root / ".lock", root / ".lock.holder", scratch / "rows"):
        file.write_text("not copied")
    return root


def content(root: Path) -> dict[str, bytes]:
    files = [path for path in root.rglob("*") if path.is_file() and ".db" not in path.name]
    kept = [path for path in files if "scratch" not in path.parts and not path.name.startswith(".lock")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in kept}


def names_in(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return [name for (name,) in opened.execute("select name from runs")]


def test_what_is_restored_is_what_was_backed_up(lake: Path, tmp_path: Path) -> None:
    done = task.backup(lake, tmp_path / "backups", NOW)
    restored = tmp_path / "elsewhere"
    assert task.restore(tmp_path / "backups" / "20261126-073000", restored)["files"] == done["files"]

    assert content(restored) == content(lake)
    assert names_in(restored / "_mlflow" / "mlflow.db") == ["first"]
    assert done["copied_bytes"] == done["bytes"]
    rows = DeltaTable(str(restored / "search_gold" / "daily_term_counts")).to_pyarrow_table()
    assert sorted(rows["term"].to_pylist()) == ["hat", "hat", "tv", "tv"]


def test_the_next_backup_copies_what_is_new_and_each_restores_its_own_day(lake: Path, tmp_path: Path) -> None:
    first = content(lake)
    task.backup(lake, tmp_path / "backups", NOW)
    lakes.add(lake, lakes.batch(3))
    with closing(sqlite3.connect(lake / "_mlflow" / "mlflow.db")) as database, database:
        database.execute("insert into runs values ('second')")

    done = task.backup(lake, tmp_path / "backups", LATER)

    new = sum(len(value) for key, value in content(lake).items() if key not in first)
    database_bytes = (lake / "_mlflow" / "mlflow.db").stat().st_size
    assert done["copied_bytes"] == new + database_bytes < done["bytes"]
    for name, names, expected in (("073000", ["first"], first), ("073000", ["first", "second"], content(lake))):
        day = "20261126" if expected is first else "20261127"
        restored = tmp_path / day
        task.restore(tmp_path / "backups" / f"{day}-{name}", restored)
        assert (content(restored), names_in(restored / "_mlflow" / "mlflow.db")) == (expected, names)


def test_a_copy_that_rotted_is_found_by_verify_and_not_linked_to(
    lake: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    backups = tmp_path / "backups"
    first = Path(task.backup(lake, backups, NOW)["backup"])
    rotten = next((first / task.CONTENT).rglob("*.parquet"))
    rotten.write_bytes(rotten.read_bytes()[:-1] + b"?")
    task.backup(lake, backups, LATER)
    assert "rotted" not in caplog.text  # nobody looked

    done = task.backup(lake, backups, LATER + timedelta(days=1), is_verified=True)

    assert f"{rotten.relative_to(first / task.CONTENT)} rotted" in caplog.text
    task.restore(Path(done["backup"]), tmp_path / "restored")
    assert content(tmp_path / "restored") == content(lake)


def test_where_links_can_t_be_made_files_are_copied(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.backup(lake, tmp_path / "backups", NOW)

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    done = task.backup(lake, tmp_path / "backups", LATER)
    assert done["copied_bytes"] == done["bytes"]


def test_a_backup_that_was_killed_is_none_and_goes_with_the_next(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups = tmp_path / "backups"

    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(json, "dumps", killed)
        with pytest.raises(KilledError):
            task.backup(lake, backups, NOW)
    (part,) = backups.glob("*.part")
    with pytest.raises(DataError, match="is no backup"):
        task.restore(part, tmp_path / "restored")

    task.backup(lake, backups, LATER)
    assert [path.name for path in backups.iterdir() if path.is_dir()] == ["20261127-073000"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"?"), "is not what was backed up"),
        (Path.unlink, "is gone; take another backup"),
    ],
)
def test_a_damaged_backup_is_refused_and_nothing_is_made(
    lake: Path, tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    damage(next((place / task.CONTENT).rglob("*.parquet")))
    with pytest.raises(DataError, match=message):
        task.restore(place, tmp_path / "restored")
    assert not (tmp_path / "restored").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        task.restore(place, tmp_path / "empty")
    assert {path.name for path in (tmp_path / "empty").iterdir()} <= {".lock", ".lock.holder"}


@pytest.mark.parametrize("text", ["x", "[]", "{}", '{"files": []}', '{"files": null}', '{"files": {}}', "[" * 200_000])
def test_a_manifest_that_can_t_be_read_is_said_and_passed_over_by_the_next_backup(
    lake: Path, tmp_path: Path, text: str
) -> None:
    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    (place / task.MANIFEST).write_text(text)
    with pytest.raises(DataError, match="can't be read"):
        task.restore(place, tmp_path / "restored")
    done = task.backup(lake, tmp_path / "backups", LATER)
    assert done["copied_bytes"] == done["bytes"]


def test_a_database_that_is_none_is_said(lake: Path, tmp_path: Path) -> None:
    (lake / "_mlflow" / "mlflow.db").write_text("no database at all")
    with pytest.raises(DataError, match=r"mlflow\.db can't be read \(file is not a database\); bring it back"):
        task.backup(lake, tmp_path / "backups", NOW)


def test_what_else_lies_in_a_directory_of_backups_is_left_alone(lake: Path, tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    others = [backups / "holiday.part" / "photo", backups / "film.part", tmp_path / "restored.part" / "thesis"]
    for file in others:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("mine")
    (backups / "20261126-073000.part").mkdir()
    place = Path(task.backup(lake, backups, LATER)["backup"])
    task.restore(place, tmp_path / "restored")
    assert [file.read_text() for file in others] == ["mine"] * 3
    assert not (backups / "20261126-073000.part").exists()


def test_each_lakehouse_is_linked_to_its_own_backups(lake: Path, tmp_path: Path) -> None:
    other = lakes.whole(tmp_path / "other")
    backups = tmp_path / "backups"
    for number, root in enumerate((lake, other, lake)):
        done = task.backup(root, backups, NOW + timedelta(hours=number))
    assert 0 < done["copied_bytes"] < done["bytes"]  # MLflow's database alone


def test_a_lakehouse_that_comes_while_one_is_restored_stays(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    theirs = tmp_path / "restored" / "search_gold" / "file"
    copied = task._copy_checked

    def comes(*words: Any) -> None:
        theirs.parent.mkdir()
        theirs.write_text("mine")
        copied(*words)

    monkeypatch.setattr(task, "_copy_checked", comes)
    with pytest.raises(UsageError, match="is there already"):
        task.restore(place, tmp_path / "restored")
    assert theirs.read_text() == "mine"


@pytest.mark.parametrize("tidies_up", [True, False])
def test_a_restore_stopped_while_it_puts_things_in_place_leaves_no_lakehouse_and_is_done_by_the_next(
    lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Any], tidies_up: bool
) -> None:
    place = Path(task.backup(lake, tmp_path / "my backups", NOW)["backup"])
    without_models = lakes.whole(tmp_path / "other")
    other = Path(task.backup(without_models, tmp_path / "my backups", LATER)["backup"])
    restored, rename = tmp_path / "lake", Path.rename

    class KilledError(BaseException):
        pass

    def killed(path: Path, target: Path) -> Path:
        if path.name == "search_gold":
            raise KilledError
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        if not tidies_up:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KilledError):
            task.restore(place, restored)
    assert {path.name for path in restored.iterdir()} >= {"_mlflow", "search_bronze"}

    again = f"{restored} is half restored; say restore '{place}' again"
    for words in (("check",), ("query", "top_terms"), ("clean",), ("backup", str(tmp_path / "my backups"))):
        code, said = run(*words)
        assert (code, again in said) == (1, True), said
    with pytest.raises(UsageError, match="is there already"):  # of the first it would leave the models
        task.restore(other, restored)
    assert again in run("check")[1]

    task.restore(place, restored)
    assert content(restored) == content(lake)
    assert names_in(restored / "_mlflow" / "mlflow.db") == ["first"]
    assert {path.name for path in restored.iterdir()} - {path.name for path in lake.iterdir()} == set()


def test_what_a_killed_restore_copied_is_in_no_backup(lake: Path, tmp_path: Path) -> None:
    before = content(lake)
    (lake / ".restore.part").mkdir()
    (lake / ".restore.part" / "rows").write_text("of another lakehouse")
    place = task.backup(lake, tmp_path / "backups", NOW)["backup"]
    task.restore(Path(place), tmp_path / "restored")
    assert content(tmp_path / "restored") == before


def test_modes_and_tables_behind_links_are_kept(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def as_the_system_does(path: Path, target: Path) -> Path:
        if path.is_dir() and path.parent != target.parent and not path.stat().st_mode & 0o200:  # but for root
            raise PermissionError(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", as_the_system_does)
    lake.chmod(0o700)
    (lake / "search_silver").chmod(0o500)
    (lake / "search_gold").rename(tmp_path / "other disk")
    (lake / "search_gold").symlink_to(tmp_path / "other disk")
    expected = set(content(tmp_path / "other disk"))

    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    task.restore(place, tmp_path / "restored")

    assert set(content(tmp_path / "restored" / "search_gold")) == expected
    assert {path.stat().st_mode & 0o777 for path in (place, place / task.CONTENT, tmp_path / "restored")} == {0o700}
    assert (tmp_path / "restored" / "search_silver").stat().st_mode & 0o777 == 0o500


def test_a_manifest_can_t_name_what_is_outside(lake: Path, tmp_path: Path) -> None:
    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    manifest = place / task.MANIFEST
    changed = json.loads(manifest.read_text())
    changed["files"]["../outside"] = next(iter(changed["files"].values()))
    manifest.write_text(json.dumps(changed))
    with pytest.raises(DataError, match="outside the lakehouse"):
        task.restore(place, tmp_path / "restored")


def test_a_lakehouse_is_never_restored_over_and_a_backup_never_lies_within(lake: Path, tmp_path: Path) -> None:
    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    with pytest.raises(UsageError, match="is there already; move it away"):
        task.restore(place, lake)
    with pytest.raises(UsageError, match="is in the lakehouse itself"):
        task.backup(lake, lake / "backups", NOW)
    with pytest.raises(DataError, match="is there already; run it again"):
        task.backup(lake, tmp_path / "backups", NOW)
    with pytest.raises(DataError, match="it holds backups: 20261126-073000"):
        task.restore(tmp_path / "backups", tmp_path / "restored")


def test_the_commands_say_what_they_did(lake: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    (lake / "_mlflow" / "mlflow.db").unlink()  # no database of MLflow's
    lake.rename(tmp_path / "lake")
    done = run("backup", str(tmp_path / "backups"))
    assert done["files"] > 10
    (tmp_path / "lake").rename(tmp_path / "lost")
    assert run("restore", done["backup"])["lakehouse"] == str(tmp_path / "lake")
    assert run("check")["is_whole"] is True
    assert run("restore", done["backup"])[0] == 2


def test_a_file_whose_name_is_no_utf_8_is_backed_up_and_restored(lake: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"stock \xfc.txt")
    (lake / name).write_text("theirs")

    place = Path(task.backup(lake, tmp_path / "backups", NOW)["backup"])
    task.restore(place, tmp_path / "restored")

    assert (tmp_path / "restored" / name).read_text() == "theirs"
    assert task.backup(lake, tmp_path / "backups", LATER)["copied_bytes"] < 20_000  # linked to the one before


def test_a_table_behind_a_link_to_what_is_not_there_is_not_left_out_in_silence(lake: Path, tmp_path: Path) -> None:
    (lake / "search_gold").rename(tmp_path / "other disk")
    (lake / "search_gold").symlink_to(tmp_path / "not mounted")

    with pytest.raises(DataError, match="search_gold is a link to what is not there"):
        task.backup(lake, tmp_path / "backups", NOW)


def test_a_table_behind_a_link_within_the_lakehouse_is_backed_up_under_both_names(lake: Path, tmp_path: Path) -> None:
    (lake / "search_gold").rename(lake / "gold")
    (lake / "search_gold").symlink_to(lake / "gold")
    (lake / "search_silver" / "up").symlink_to(lake)

    place = task.backup(lake, tmp_path / "backups", NOW)["backup"]
    task.restore(Path(place), tmp_path / "restored")

    names = {path.name for path in (tmp_path / "restored").iterdir()}
    assert names >= {"gold", "search_gold"}
    assert not (tmp_path / "restored" / "search_silver" / "up").exists()


def test_a_backup_in_a_place_whose_name_is_no_utf_8_is_restored(lake: Path, tmp_path: Path) -> None:
    backups = tmp_path / os.fsdecode(b"stock \xfc")
    place = Path(task.backup(lake, backups, NOW)["backup"])

    task.restore(place, tmp_path / "restored")
    assert content(tmp_path / "restored") == content(lake)

    (tmp_path / "restored" / half_restored.NOTE).write_bytes(os.fsencode(place))
    with pytest.raises(DataError, match="is half restored; say restore"):
        half_restored.refuse(tmp_path / "restored", "check")
