"""The dependencies of the jobs' serverless environments: written into resources/*.job.yml from the lock, or compared.

    .venv/bin/python scripts/job_environments.py [--check]

What the environment brings itself (serverless-VERSION.txt) is left alone, as pandas or pyarrow reinstalled under a
running Spark client breaks it; whatever else a job needs, however indirectly, is pinned to the lock's version.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What a job imports beside the wheel's own requirements, of its extras.
NEEDS = {
    "demand_forecast": ("scipy", "statsforecast"),
    "medallion": ("phonenumberslite", "python-stdnum"),
    "model_import": ("sqlglot",),
    "monitoring": ("scipy",),
}
BLOCK = re.compile(r'environment_version: "(\d+)"\n( +)dependencies:.*\n((?: +- .*\n)+)')


class Problem(Exception):
    """Why no list can be made."""


def requirements(path: Path, environment: dict[str, str]) -> dict[str, str]:
    """The versions that a file of `name==version` lines pins in an environment, by name."""
    lines = re.findall(r"^[\w.-]+==[^\\\n]+", path.read_text(encoding="utf-8"), re.MULTILINE)
    pinned = [Requirement(line) for line in lines]
    applying = [item for item in pinned if item.marker is None or item.marker.evaluate(environment)]
    return {canonicalize_name(item.name): str(item.specifier).removeprefix("==") for item in applying}


@cache
def required(package: str) -> list[Requirement]:
    """What an installed package requires in any environment."""
    return [Requirement(text) for text in metadata.requires(package) or []]


def needed(package: str, environment: dict[str, str], extras: tuple[str, ...] = ()) -> Iterator[Requirement]:
    """What an installed package requires in an environment, and these of its extras."""
    for item in required(package):
        names = ("forecast", "models", "personal") if item.name in extras else ("",)
        if item.marker is None or any(item.marker.evaluate({**environment, "extra": name}) for name in names):
            yield item


def dependencies(root: Path, job: str, version: str) -> list[str]:
    """The lines of a job's environment: the wheel, and every package that the environment lacks, pinned.

    Raises:
        Problem: the environment is not described, brings a version that does not do, or the lock lacks a package.
    """
    path = root / "scripts" / f"serverless-{version}.txt"
    if not path.is_file():
        raise Problem(f"serverless environment {version} is not described: list what it brings in {path.name}")
    python = requirements(path, {})["python"]
    environment = {"python_version": python.rpartition(".")[0], "python_full_version": python, "sys_platform": "linux",
                   "platform_system": "Linux", "platform_machine": "x86_64", "implementation_name": "cpython",
                   "platform_python_implementation": "CPython", "os_name": "posix"}  # fmt: skip
    brought, locked = requirements(path, environment), requirements(root / "requirements.txt", environment)
    # What it brings needs packages itself, so they are there too, if in a version that nobody wrote down.
    implied: set[str] = set()
    new = brought.keys() & locked.keys()
    while new:
        names = {canonicalize_name(item.name) for name in new for item in needed(name, environment)}
        new = (names & locked.keys()) - implied
        implied |= names
    pins: dict[str, str] = {}
    queue = list(needed("search_forecast", environment, NEEDS.get(job, ())))
    while queue:
        item = queue.pop()
        name = canonicalize_name(item.name)
        if name in brought:
            if not item.specifier.contains(brought[name]):
                raise Problem(f"serverless environment {version} brings {name} {brought[name]}, needed is {item}")
        elif name not in locked:
            raise Problem(f"requirements.txt has no {name}: run `make lock`")
        elif name not in pins and name not in implied:
            pins[name] = f"{name}=={locked[name]}"
            queue += needed(name, environment)
    return ["../dist/*.whl", *sorted(pins.values())]


def main(root: Path, *, is_check: bool) -> int:
    """Write or compare the lists of all jobs; give the exit code."""
    problems = []
    for path in sorted((root / "resources").glob("*.job.yml")):
        text = path.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            version, indent, lines = block.groups()
            try:
                listed = dependencies(root, path.name.removesuffix(".job.yml"), version)
            except Problem as error:
                problems.append(f"{path.name}: {error}")
                continue
            if is_check and (differing := {line.strip(" -\n") for line in lines.splitlines()} ^ set(listed)):
                what = ", ".join(sorted(differing))
                problems.append(f"{path.name}: {what}: not as in the lock; run scripts/job_environments.py")
            text = text.replace(lines, "".join(f"{indent}  - {line}\n" for line in listed))
        if not is_check:
            path.write_text(text, encoding="utf-8")
    for problem in problems:
        sys.stderr.write(f"job environments: {problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent.parent, is_check="--check" in sys.argv))
