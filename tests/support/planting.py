"""The project's bundle with a fault planted in it, and what the checks say of one."""

from pathlib import Path

from search_forecast import cli
from search_forecast.bundle import checks


def faults(root: Path) -> list[str]:
    return checks.check(root, cli.parse)


def edit(bundle: Path, file: str, old: str, new: str) -> None:
    path = bundle / file
    text = path.read_text()
    assert old in text, f"{file} no longer holds what the test changes: {old}"
    path.write_text(text.replace(old, new, 1))
