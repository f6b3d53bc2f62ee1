"""What set-up and wheel rely on: locks that fit the code and each other, imports that need nothing that is left out."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from search_forecast import __version__
from support.places import PROJECT

SOURCES = PROJECT / "src"
LOCKS = ("requirements.txt", *(f"requirements-{name}.txt" for name in ("build", "dev", "audit", "bench")))


def locked(name: str) -> dict[str, str]:
    """The version of each package of a lock; of several for several Pythons the last."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (PROJECT / name).read_text(), re.MULTILINE))


@cache
def imported(path: Path) -> dict[str, bool]:
    """Each module that a file imports, and whether it does so at once rather than in a function or for types only."""
    tree = ast.parse(path.read_text())
    late = {id(node) for top in tree.body if not isinstance(top, ast.Import | ast.ImportFrom) for node in ast.walk(top)}
    modules = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            for name in [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names:
                modules[name] = modules.get(name, False) or id(node) not in late
    return modules


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_hash_for_each_package_and_names_no_place(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (PROJECT / name).read_text().strip())

    assert [entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+ (; .*? )?\\\n +--hash=sha256:", entry)] == []
    assert re.findall(r"://|^-.*", "\n".join(entries), re.MULTILINE) == []


def test_tests_add_packages_to_the_locks_and_change_none() -> None:
    runtime, tests = locked("requirements.txt"), locked("requirements-dev.txt")
    # What both have is there for more machines than without tests.
    assert all(tests[name] == runtime[name] for name in tests.keys() & runtime.keys())
    assert {"pytest", "ruff", "mypy"} <= tests.keys() - runtime.keys()


def test_the_code_imports_nothing_that_only_tests_install() -> None:
    modules = {name.partition(".")[0] for path in SOURCES.rglob("*.py") for name in imported(path)}
    names = {"yaml": "pyyaml", "databricks": "databricks-sdk", "charset_normalizer": "charset-normalizer"}
    names |= {"phonenumbers": "phonenumberslite", "stdnum": "python-stdnum", "vl_convert": "vl-convert-python"}
    packages = {names.get(name, name) for name in modules}

    assert {"pyspark", "pandas"} <= packages
    assert packages - sys.stdlib_module_names - {"search_forecast"} - locked("requirements.txt").keys() == set()


def test_what_the_wheel_leaves_out_is_imported_by_nothing_in_it_before_a_command_asks_for_it() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    left_out = [PROJECT / name for name in re.findall(r'"/(src/[^"]*)"', text)]
    names = tuple(".".join(path.relative_to(SOURCES).parts) for path in left_out)
    files = [path for path in SOURCES.rglob("*.py") if not any(path.is_relative_to(folder) for folder in left_out)]
    at_once = {(path.name, name) for path in files for name, is_at_once in imported(path).items() if is_at_once}

    assert len(left_out) == 4
    assert all(path.is_dir() for path in left_out)
    # run_view itself is imported late, by the commands that run a job here.
    assert {file for file, name in at_once if name.startswith(names)} <= {"run_view.py"}


def test_an_interpreter_that_is_set_empty_is_none_that_was_chosen() -> None:
    command = ["make", "--dry-run", "--always-make", "setup"]
    environment = {**os.environ, "PYTHON": "", "MAKEFLAGS": ""}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)

    assert "; python3 scripts/set_up.py\n" in done.stdout


@pytest.mark.parametrize(
    ("named", "told"), [(["PYTHON=python3.99"], "; python3.99 scripts/set_up.py --this-python\n"), ([], "")]
)
def test_a_set_up_that_is_done_is_looked_at_again_only_where_a_python_is_named(
    tmp_path: Path, named: list[str], told: str
) -> None:
    (tmp_path / ".set-up").touch()
    command = ["make", "--dry-run", f"VENV={tmp_path}", *named, "setup"]
    environment = {name: text for name, text in os.environ.items() if name not in ("PYTHON", "MAKEFLAGS")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)

    assert told in done.stdout
    assert ("set_up.py" in done.stdout) is bool(told)


@pytest.mark.parametrize(
    ("version", "is_this"), [("{0.major}.{0.minor}.0", True), ("{0.major}.{0.minor}9.1", False), ("2.7.18", False)]
)
def test_a_set_up_with_another_python_than_the_one_named_is_made_anew(
    set_up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, is_this: bool
) -> None:
    (tmp_path / "pyvenv.cfg").write_text(f"home = /bin\nversion = {version.format(sys.version_info)}\n")
    (tmp_path / ".set-up").write_text(set_up.digest(set_up.RUNTIME))
    monkeypatch.setattr(set_up, "VENV", tmp_path)
    monkeypatch.setattr(set_up, "UNDER_WAY", tmp_path / ".under-way")
    monkeypatch.setattr(set_up, "show_life", lambda: None)
    monkeypatch.setattr(set_up, "wait_for", lambda _: None)
    installed = []
    monkeypatch.setattr(set_up, "install", lambda *_: installed.append(set_up.UNDER_WAY.exists()))

    set_up.main(is_dev=False)
    assert installed == []
    set_up.main(is_dev=False, is_python_named=True)
    assert installed == ([] if is_this else [True])


def test_make_clean_leaves_the_lakehouse() -> None:
    """The default one, in which somebody's data may lie: docs/schedule.md has it there."""
    done = subprocess.run(["make", "--dry-run", "clean"], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert " .venv " in done.stdout
    assert ".lakehouse" not in done.stdout


@pytest.fixture
def set_up() -> Any:
    spec = importlib.util.spec_from_file_location("set_up", PROJECT / "scripts" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_set_up_killed_while_it_removes_the_one_before_is_not_taken_for_done(
    set_up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, stamps = tmp_path / ".under-way", [tmp_path / ".set-up", tmp_path / ".set-up-dev"]
    for file in (under_way, *stamps):
        file.touch()

    def killed(*_: object, **__: object) -> None:
        under_way.unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(set_up, "VENV", tmp_path)
    monkeypatch.setattr(set_up, "UNDER_WAY", under_way)
    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        set_up.install([], 0)

    assert not any(map(Path.exists, stamps))


def test_uv_is_told_what_pip_is_set_to(set_up: Any) -> None:
    told = set_up.uv_variables(
        "global.cert='/ca.pem'\nglobal.index-url='https://mirror/simple'\nglobal.timeout='60'\n"
        "global.trusted-host='\\na.example\\nb.example'\n:env:.index-url='https://other/simple'\n"
    )

    assert told == {
        "SSL_CERT_FILE": "/ca.pem",
        "UV_DEFAULT_INDEX": "https://other/simple",
        "UV_INSECURE_HOST": "a.example b.example",
    }


def test_the_version_that_a_page_shows_is_the_packages() -> None:
    """The app runs where only the sources are."""
    assert f'\nversion = "{__version__}"\n' in (PROJECT / "pyproject.toml").read_text()
