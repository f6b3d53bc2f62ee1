"""The pages without their facts: library, script, style, figures and words, in one text that is made once and kept."""

import hashlib
import json
import re
from base64 import b64encode
from functools import cache
from importlib import metadata, resources

from search_forecast.lakehouse.toolchain import paths

REPORT, EXPLORE = "report", "explore"  # a page's own part of the HTML and its script are called as it
_FILES = ("page.html", "page.css", "drawing.js", "strings.json", "charts.py", "shell.py")
_LIBRARIES = ("altair", "vl-convert-python")
DATA = "@@data@@"
# Nothing is fetched, but by `explore` from the server that it came from; only the scripts of the page run, and none
# makes code of text.
_POLICY = "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FETCHES = {REPORT: "", EXPLORE: "; connect-src 'self'"}


@cache
def shell(page: str) -> str:
    """A page with the marker `DATA` where the facts belong.

    Bundling Vega's JavaScript takes most of the time that a report does: the shell is kept in the user's cache, by a
    name that says what it was made from.
    """
    names = (*_FILES, f"{page}.html", f"{page}.js")
    texts = {name: resources.files(__package__).joinpath(name).read_text(encoding="utf-8") for name in names}
    versions = [metadata.version(name) for name in _LIBRARIES]
    key = hashlib.sha256(json.dumps([texts, versions], sort_keys=True).encode()).hexdigest()[:16]
    path = paths.cache_dir() / f"{page}-{key}.html"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    made = _made(page, texts)
    with paths.scratch_dir(path.parent) as scratch:
        (scratch / path.name).write_text(made, encoding="utf-8")
        (scratch / path.name).replace(path)
    return made


def _made(page: str, texts: dict[str, str]) -> str:
    import vl_convert  # noqa: PLC0415 - seconds, as the next one; not where the page is kept

    from search_forecast.pages.charts import specifications  # noqa: PLC0415

    library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").replace("</script", r"<\/script")
    script = f"(() => {{\n{texts['drawing.js']}{texts[f'{page}.js']}}})();"
    scripts = " ".join(f"'{_digest(script)}'" for script in (library, script))
    parts = {
        "content": texts[f"{page}.html"],
        "style": texts["page.css"],
        "specifications": in_html(specifications()),
        "strings": in_html(json.loads(texts["strings.json"])),
        "library": library,
        "script": script,
        "policy": _POLICY.format(scripts=scripts) + _FETCHES[page],
        "data": DATA,
    }
    return re.sub("@@([a-z]+)@@", lambda marker: parts[marker[1]], texts["page.html"])


def in_html(value: object) -> str:
    """JSON that may stand in a script element: no `<` in it ends that or begins a comment."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", r"\u003c")


def _digest(script: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(script.encode()).digest()).decode()}"
