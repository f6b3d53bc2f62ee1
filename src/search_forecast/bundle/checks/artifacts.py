"""Whether artifacts can be built, and whether the wheels and jars that jobs name are there or are built."""

import re
from collections.abc import Iterator
from os.path import relpath
from pathlib import Path
from typing import Any

from search_forecast.bundle.checks.local_files import fields
from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text
from search_forecast.bundle.references import texts
from search_forecast.errors import did_you_mean

_CHOICES = {"type": ("jar", "whl"), "executable": ("bash", "cmd", "sh")}
# A path seen from the file that names it, not one in the workspace, an option of pip or a package; extras may follow.
_LIBRARY = re.compile(r"(?![-/])([^\s:$]+\.(?:whl|jar))(?:\[.*\])?")


def problems(bundle: Bundle) -> Iterator[Problem]:
    """What stops the building of an artifact, and the libraries of jobs that no build leaves anywhere."""
    for key, artifact in _artifacts(bundle).items():
        yield from (Problem("", f"artifacts.{key}: {text}") for text in _artifact(bundle, artifact))
    for key in bundle.resources("jobs"):
        for text, file in dict.fromkeys(_libraries(bundle, key)):
            library = _LIBRARY.fullmatch(text)
            if library and not _is_there_or_built(bundle, (bundle.root / file).parent / library[1]):
                yield Problem(
                    f"jobs.{key}", f"no file matches {text}, seen from {file}, and no artifact is built there"
                )


def _artifacts(bundle: Bundle) -> dict[str, Any]:
    artifacts = bundle.raw.get("artifacts")
    return artifacts if isinstance(artifacts, dict) else {}


def _artifact(bundle: Bundle, artifact: Any) -> Iterator[str]:
    if not isinstance(artifact, dict):
        yield "says neither build nor files"
        return
    if any("${" in text for text in texts(artifact)):  # what it stands for may be another for each target
        return
    for name, known in _CHOICES.items():
        choice = as_text(artifact.get(name))
        if choice and choice not in known:
            yield f"no {name} {choice}{did_you_mean(choice, known)}"
    if not _directory(bundle, artifact).is_dir():
        yield f"there is no directory {artifact.get('path')}"
    yield from _sources(bundle, artifact)
    if artifact.get("build") or artifact.get("files"):
        return
    if artifact.get("type") != "whl":
        yield "says neither build nor files"
    elif not (_directory(bundle, artifact) / "setup.py").is_file():
        yield "says no build, and there is no setup.py, which would be called then"


def _sources(bundle: Bundle, artifact: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the files of an artifact; those that a build makes need not be there."""
    files = artifact.get("files") or []
    for item in files if isinstance(files, list) else [files]:
        source = item.get("source") if isinstance(item, dict) else None
        if not isinstance(source, str):
            yield "files: expected {source: ...}"
        elif not artifact.get("build") and not _is_there(bundle, _seen_from(bundle, artifact) / source):
            yield f"no file matches {source}"


def _directory(bundle: Bundle, artifact: Any) -> Path:
    """Where an artifact is built."""
    path = as_text(artifact.get("path"))
    return _seen_from(bundle, artifact) / path if path else bundle.root


def _seen_from(bundle: Bundle, artifact: Any) -> Path:
    """Where the file lies that an artifact is written in: its paths are seen from there."""
    return (bundle.root / getattr(artifact, "place", "").partition(":")[0]).parent


def _libraries(bundle: Bundle, job: str) -> Iterator[tuple[str, str]]:
    """The wheels and jars that a job names, and the file that each is written in."""
    for name, value, file in fields(bundle.written("jobs", job), bundle.file(f"jobs.{job}")):
        if name in ("whl", "jar") or (name == "dependencies" and isinstance(value, list)):
            yield from ((text, file) for text in texts(value))


def _is_there(bundle: Bundle, pattern: Path) -> bool:
    return any(bundle.root.glob(relpath(pattern, bundle.root)))


def _is_there_or_built(bundle: Bundle, path: Path) -> bool:
    if _is_there(bundle, path):
        return True
    artifacts = _artifacts(bundle)
    if not artifacts:  # the CLI builds what it finds a setup.py of
        return (bundle.root / "setup.py").is_file() and _is_same(path.parent, bundle.root / "dist")
    return any(_may_leave(bundle, artifact, path) for artifact in artifacts.values() if isinstance(artifact, dict))


def _may_leave(bundle: Bundle, artifact: dict[str, Any], path: Path) -> bool:
    """Whether a build may leave a file there: a wheel in `dist`, others where their files are said to be."""
    files = artifact.get("files")
    if "${" in "".join(texts(artifact)):
        return True
    if not files:
        is_wheel = artifact.get("type") == "whl"
        return not is_wheel or _is_same(path.parent, _directory(bundle, artifact) / "dist")
    return any(_is_same(path.parent, (_seen_from(bundle, artifact) / text).parent) for text in texts(files))


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
