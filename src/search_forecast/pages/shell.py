"""The page without its facts: library, script, style, figures and words, in one text that is made once and kept."""

import hashlib
import json
import re
from base64 import b64encode
from importlib import metadata, resources

from search_forecast.lakehouse.toolchain import paths

_FILES = ("page.html", "page.css", "drawing.js", "page.js", "strings.json", "charts.py", "shell.py")
_LIBRARIES = ("altair", "vl-convert-python")
DATA = "@@data@@"
# Nothing is fetched, from anywhere; only the scripts of this page run, and none makes code of text.
_POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def shell() -> str:
    """The page with the marker `DATA` where the facts belong.

    Bundling Vega's JavaScript takes most of the time that a report does: the shell is kept in the user's cache, by a
    name that says what it was made from.
    """
    texts = {name: resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in _FILES}
    versions = [metadata.version(name) for name in _LIBRARIES]
    key = hashlib.sha256(json.dumps([texts, versions], sort_keys=True).encode()).hexdigest()[:16]
    path = paths.cache_dir() / f"page-{key}.html"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    made = _made(texts)
    with paths.scratch_dir(path.parent) as scratch:
        (scratch / path.name).write_text(made, encoding="utf-8")
        (scratch / path.name).replace(path)
    return made


def _made(texts: dict[str, str]) -> str:
    import vl_convert  # noqa: PLC0415 - seconds, as the next one; not where the page is kept

    from search_forecast.pages.charts import specifications  # noqa: PLC0415

    library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    script = f"(() => {{\n{texts['drawing.js']}{texts['page.js']}}})();"
    parts = {
        "style": texts["page.css"],
        "specifications": in_html(specifications()),
        "strings": in_html(json.loads(texts["strings.json"])),
        "library": library,
        "script": script,
        "policy": _POLICY.format(scripts=" ".join(f"'{_digest(script)}'" for script in (library, script))),
        "data": DATA,
    }
    return re.sub("@@([a-z]+)@@", lambda marker: parts[marker[1]], texts["page.html"])


def in_html(value: object) -> str:
    """JSON that may stand in a script element: no `<` in it ends that or begins a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c")


def _digest(script: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
