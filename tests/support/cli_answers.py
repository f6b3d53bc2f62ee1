"""What the Databricks CLI said of the bundles in `bundles` and `mistakes`, kept in cli_answers.json.

`PYTHONPATH=src:tests python -m support.cli_answers` asks the CLI on the PATH anew.
"""

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from support import bundles, databricks_cli, mistakes

FILE = Path(__file__).with_suffix(".json")
ADDED = {"deployment", "edit_mode", "format", "permissions", "queue", "max_concurrent_runs", "volume_type"}


def recorded() -> Any:
    return json.loads(FILE.read_text())


def ask() -> dict[str, Any]:
    """Let the CLI validate all bundles: what it reads, and the first line of what it says."""
    answers: dict[str, Any] = {"version": databricks_cli.version(), "read": {}, "refused": {}, "mistakes": {}}
    with databricks_cli.workspace() as host:
        for name, files in bundles.READ.items():
            resources = _validated(files, host)[0].get("resources") or {}
            answers["read"][name] = {
                kind: {key: {k: v for k, v in item.items() if k not in ADDED} for key, item in (items or {}).items()}
                for kind, items in resources.items()
            }
        for name, (files, _) in bundles.REFUSED.items():
            answers["refused"][name] = _first_line(_validated(files, host)[1])
        for mistake in mistakes.MISTAKES:
            answers["mistakes"][mistake.what] = _first_line(_validated(mistakes.with_mistake(mistake), host)[1])
    return answers


def _validated(files: dict[str, Any], host: str) -> tuple[dict[str, Any], str]:
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as directory:
        content, said = databricks_cli.validate(bundles.write(Path(directory), files), host, Path(home), "--strict")
        return content, said


def _first_line(said: str) -> str:
    """The first finding, without where the bundle lay; nothing where there is none."""
    if "fatal error" in said:
        return "It crashes."
    line = next((line for line in said.splitlines() if re.match("Error: |Warning: |Recommendation: ", line)), "")
    line = re.sub(r"/\S*/(?=databricks\.yml|resources/)| in /\S+$", "", line)
    return re.sub(r"\(([\w, ]+)\)", lambda names: f"({', '.join(sorted(names[1].split(', ')))})", line)


if __name__ == "__main__":
    FILE.write_text(json.dumps(ask(), indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
