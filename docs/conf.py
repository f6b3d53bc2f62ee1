"""How Sphinx makes a site of the pages: `make docs`; strict, without network. The pages stay plain Markdown.

The project's directory is the source, so that README, CHANGELOG and CONTRIBUTING are pages too.
"""

from pathlib import Path

from sphinx.application import Sphinx

PROJECT = Path(__file__).resolve().parent.parent
HOME = "docs/index"
CONTENTS = {
    "Begin": ("What it is </README>", "docs/tutorial", "docs/notebooks", "En español </docs/es/index>"),
    "How to": (
        "docs/bring-your-own-export",
        "docs/read-gold",
        "docs/report",
        "docs/explore",
        "docs/models",
        "docs/add-a-table",
        "docs/personal-data",
        "docs/correct-and-erase",
    ),
    "Operate": (
        "docs/deploy",
        "docs/schedule",
        "docs/operations",
        "docs/clusters",
        "docs/upgrade",
        "docs/security",
        "docs/torture",
        "docs/troubleshooting",
    ),
    "What the figures mean": (
        "docs/forecasting",
        "docs/forecast-quality",
        "docs/trends",
        "docs/trends-rates",
        "docs/personal-data-rates",
        "docs/performance",
    ),
    "Look up": (
        "docs/commands",
        "docs/tables",
        "docs/architecture",
        "docs/decisions",
        "docs/bundle-checks",
        "docs/glossary",
    ),
    "The project": ("CHANGELOG", "CONTRIBUTING"),
}

project = html_title = "search_term_forecast"
extensions = ["myst_parser"]
root_doc = HOME
include_patterns = ["*.md", "docs/*.md", "docs/es/*.md"]
exclude_patterns = [path.name for path in PROJECT.iterdir() if path.is_dir() and path.name != "docs"]
nitpicky = True
myst_heading_anchors = 4  # as git hosts make them, and checked
html_theme = "furo"
html_copy_source = html_show_sphinx = html_show_copyright = False
html_theme_options = {"top_of_page_buttons": []}
_TO_HOME = (
    f'<!doctype html><meta http-equiv="refresh" content="0; url={HOME}.html"><a href="{HOME}.html">Documentation</a>\n'
)


def setup(app: Sphinx) -> None:
    """Give the home page its contents, which a git host would show as code, and the site a first page."""
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _lead_home)


def _add_contents(_: Sphinx, name: str, source: list[str]) -> None:
    if name == HOME:
        for caption, pages in CONTENTS.items():
            lines = "\n".join(page if "<" in page else f"/{page}" for page in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def _lead_home(app: Sphinx, _: Exception | None) -> None:
    (Path(app.outdir) / "index.html").write_text(_TO_HOME, encoding="utf-8")
