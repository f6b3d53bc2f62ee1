"""What `make setup` relies on: locks that fit the code and each other, and the script's reading of pip's settings."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements-build.txt", "requirements.txt", "requirements-dev.txt")


def locked(name: str) -> dict[str, str]:
    """The version of each package of a lock; of several for several Pythons the last."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (PROJECT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_a_hash_for_each_package_and_names_no_place(name: str) -> None:
    entries = re.split(r"\n(?=\S)", (PROJECT / name).read_text().strip())

    assert [entry for entry in entries if not re.match(r"[a-z0-9-]+==\S+ (; .*? )?\\\n +--hash=sha256:", entry)] == []
    assert re.findall(r"://|^-.*", "\n".join(entries), re.MULTILINE) == []


def test_tests_add_packages_to_the_locks_and_change_none() -> None:
    assert locked("requirements-dev.txt").keys() & locked("requirements.txt").keys() == set()
    assert {"pytest", "ruff", "mypy"} <= locked("requirements-dev.txt").keys()


def test_the_commands_import_nothing_that_only_tests_and_checks_install() -> None:
    sources = [path for path in (PROJECT / "src").rglob("*.py") if "checks" not in path.parts]
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    modules = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"search_forecast"}
    packages = {{"yaml": "pyyaml", "databricks": "databricks-sdk"}.get(name, name) for name in modules}

    assert {"pyspark", "pandas"} <= packages
    assert packages - locked("requirements.txt").keys() == set()


def test_uv_is_told_what_pip_is_set_to() -> None:
    spec = importlib.util.spec_from_file_location("set_up", PROJECT / "scripts" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    set_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(set_up)

    told = set_up.uv_variables(
        "global.cert='/ca.pem'\nglobal.index-url='https://mirror/simple'\nglobal.timeout='60'\n"
        "global.trusted-host='\\na.example\\nb.example'\n:env:.index-url='https://other/simple'\n"
    )

    assert told == {
        "SSL_CERT_FILE": "/ca.pem",
        "UV_DEFAULT_INDEX": "https://other/simple",
        "UV_INSECURE_HOST": "a.example b.example",
    }
