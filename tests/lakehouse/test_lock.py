from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from search_forecast.errors import DataError, EnvironmentProblem
from search_forecast.lakehouse.lock import exclusive

_HOLDER = """
import sys
from pathlib import Path
from search_forecast.lakehouse.lock import exclusive

with exclusive(Path(sys.argv[1]), "aggregate", 0):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lakehouse until its input ends."""
    command = [sys.executable, "-c", _HOLDER, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_stops_with_a_message_that_names_the_first(tmp_path: Path) -> None:
    with held(tmp_path) as process, pytest.raises(DataError) as raised, exclusive(tmp_path, "ingest", 0.1):
        pass

    assert str(raised.value) == (
        f"ingest: aggregate (process {process.pid}) still holds {tmp_path}; wait for it or stop it, then run again"
    )


def test_a_holder_whose_name_is_no_text_is_another_command(tmp_path: Path) -> None:
    with held(tmp_path):
        (tmp_path / ".lock.holder").write_bytes(b"\xff")
        with pytest.raises(DataError, match=r"ingest: .* still holds"), exclusive(tmp_path, "ingest", 0):
            pass


def test_a_second_process_waits_and_goes_on_once_the_first_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="search_forecast")
    with held(tmp_path) as process:
        assert process.stdin is not None
        threading.Timer(0.5, process.stdin.close).start()

        with exclusive(tmp_path, "ingest", 60):
            assert process.stdin.closed
    assert f"waiting up to 60 s for aggregate (process {process.pid}) on {tmp_path}" in caplog.text


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    with held(tmp_path) as process:
        process.kill()
        process.wait()

        with exclusive(tmp_path, "ingest", 0):
            holder = (tmp_path / ".lock.holder").read_text()

    assert holder == f"ingest (process {os.getpid()})"


def test_a_command_that_fails_lets_go_of_the_lakehouse(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="failed"), exclusive(tmp_path, "ingest", 0):
        raise ValueError("failed")

    with held(tmp_path) as process:
        assert process.poll() is None


def test_one_process_after_the_other_holds_a_lakehouse_that_is_made_for_the_first(tmp_path: Path) -> None:
    root = tmp_path / "not yet" / "there"
    with exclusive(root, "ingest", 0):
        pass

    with held(root) as process:
        assert (root / ".lock.holder").read_text() == f"aggregate (process {process.pid})"


def test_two_lakehouses_are_held_at_once(tmp_path: Path) -> None:
    with held(tmp_path / "a"), exclusive(tmp_path / "b", "ingest", 0):
        assert (tmp_path / "b" / ".lock.holder").exists()


@pytest.mark.parametrize(
    ("place", "reason"),
    [("file/lakehouse", "Not a directory"), ("file", "it is no directory"), ("dangling", "it is no directory")],
)
def test_a_directory_that_cannot_be_made_is_a_problem_of_the_environment(
    tmp_path: Path, place: str, reason: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    with (
        pytest.raises(EnvironmentProblem, match=f"ingest: cannot write {tmp_path / place}: {reason}"),
        exclusive(tmp_path / place, "ingest", 0),
    ):
        pass


def test_a_lock_that_can_not_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()  # as little ours to open as one that is another user's

    with pytest.raises(EnvironmentProblem, match=rf"cannot write {tmp_path}/\.lock: "), exclusive(tmp_path, "check", 0):
        pass


def test_a_full_disk_keeps_nobody_from_looking_at_a_lakehouse(tmp_path: Path) -> None:
    (tmp_path / ".lock.holder").symlink_to("/dev/full")

    with exclusive(tmp_path, "check", 0):
        pass


@pytest.mark.parametrize("end", ["a copy", "gone", "moved, and a link to it"])
def test_a_lakehouse_that_was_replaced_under_a_command_is_said(tmp_path: Path, end: str) -> None:
    root, other = tmp_path / "lake", tmp_path / "other"

    def work() -> None:
        with exclusive(root, "ingest", 0):
            root.rename(other)
            if end == "a copy":
                shutil.copytree(other, tmp_path / "copy")
            if end != "gone":
                root.symlink_to(tmp_path / "copy" if end == "a copy" else other)
                (root / "written").touch()

    if end == "moved, and a link to it":  # it is the same one
        work()
    else:
        with pytest.raises(EnvironmentProblem, match="was taken away or replaced while it was at work: put the dir"):
            work()
