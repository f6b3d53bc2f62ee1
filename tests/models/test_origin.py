"""A model trained by a wheel records the commit and the lock that the wheel was built from."""

import hashlib
import json
import shutil
import subprocess
import sys
from zipfile import ZipFile

import pytest

from search_forecast.models import origin
from support.places import PROJECT


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    for name in ("src/search_forecast", "scripts", "layouts"):
        shutil.copytree(PROJECT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt", ".gitignore"):
        shutil.copy(PROJECT / name, root / name)
    git = ("git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "x")):
        subprocess.run([*git, *words], check=True)
    return root


def built(root):
    """The record in the wheel of a checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(root / "dist")]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (wheel,) = (root / "dist").iterdir()
    with ZipFile(wheel) as archive:
        return json.loads(archive.read(f"search_forecast/{origin.FILE}"))


def test_a_wheel_holds_the_commit_and_the_lock_that_it_was_built_from(checkout):
    head = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    lock = hashlib.sha256((PROJECT / "requirements.txt").read_bytes()).hexdigest()

    record = built(checkout)

    assert record == {"git_commit": head.stdout.strip(), "is_dirty": False, "lock_sha256": lock}
    assert record == origin.of_checkout(checkout)  # the build left nothing behind that git sees


def test_a_wheel_holds_the_layouts(checkout):
    built(checkout)

    with ZipFile(next((checkout / "dist").iterdir())) as archive:
        names = {name for name in archive.namelist() if name.startswith("search_forecast/layouts/")}
    assert names == {f"search_forecast/layouts/{path.name}" for path in (PROJECT / "layouts").iterdir()}
    assert len(names) > 10


def test_a_wheel_of_changed_files_says_so(checkout):
    (checkout / "README.md").write_text("other")

    assert built(checkout)["is_dirty"] is True


def test_installed_from_a_wheel_the_record_is_read_and_from_another_build_nothing_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(origin.resources, "files", lambda _: tmp_path)

    assert origin.code() == {"git_commit": None, "is_dirty": None, "lock_sha256": None}
    (tmp_path / origin.FILE).write_text('{"git_commit": "abc", "is_dirty": false, "lock_sha256": "def"}')
    assert origin.code() == {"git_commit": "abc", "is_dirty": False, "lock_sha256": "def"}


def test_in_a_checkout_the_checkout_is_described():
    assert origin.code()["lock_sha256"] == hashlib.sha256((PROJECT / "requirements.txt").read_bytes()).hexdigest()
