"""`explore`: the page to click through, and what answers it: a server on this machine that reads and writes nothing."""

import io
import os
import re
import signal
import socket
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from threading import Thread
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, abort
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from search_forecast.errors import EnvironmentProblem, SearchForecastError, UsageError
from search_forecast.lakehouse import spreadsheet
from search_forecast.pages import comparison
from search_forecast.pages.reading import Facts, Rows, plain
from search_forecast.pages.shell import DATA, EXPLORE, in_html, shell
from search_forecast.queries.answers import Engine

LOOPBACK = "127.0.0.1"
_HTTP_PORT = 80
LONGEST_TEXT = 300  # a term has 256 characters at most once normalised
_LONGEST_QUERY = 30_000  # bytes of an address: six such terms, escaped
_COMMAND = re.compile(r"^(?:explore|query \w+): ")  # that says what is wrong, on the command line
_OWN = ("same-origin", "none")  # of Sec-Fetch-Site: this page, or somebody who typed the address
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def application(engine: Engine, hosts: frozenset[str] | None) -> Flask:
    """What answers a browser: the page, and the facts that it asks for.

    Args:
        engine: what reads gold.
        hosts: by which names the page may be called, as the header Host has them; None behind a proxy that lets in who
            may, and says in X-Forwarded-Host by which name it was called.
    """
    app = Flask(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.before_request(lambda: _refuse_foreign(hosts))
    app.after_request(_hardened)
    app.register_error_handler(SearchForecastError, _refused)
    app.register_error_handler(HTTPException, _failed)
    for path, answer in _ANSWERS.items():
        view = partial(answer, engine)
        app.add_url_rule(path, path, view, methods=["GET"], provide_automatic_options=False)
    return app


def _page(engine: Engine) -> Response:
    before, _, after = shell(EXPLORE).partition(DATA)
    [allowed] = re.findall('Content-Security-Policy" content="([^"]+)"', before)
    headers = {"Content-Security-Policy": f"{allowed}; frame-ancestors 'none'"}
    facts = in_html(plain(comparison.start(engine)))
    return Response(f"{before}{facts}{after}", mimetype="text/html", headers=headers)


def _terms(engine: Engine) -> Response:
    return jsonify(plain(comparison.found(engine, _one("part", ""))))


def _compared(engine: Engine) -> Facts:
    texts = _asked("term")
    if not 1 <= len(texts) <= comparison.MOST_TERMS or len(set(texts)) < len(texts):
        raise UsageError(f"explore: from 1 to {comparison.MOST_TERMS} different terms can be compared")
    return comparison.compared(engine, texts, _period())


def _list(engine: Engine) -> Rows | None:
    return comparison.listed(engine, _one("list", comparison.LISTS[0]), _period())


def _comparison_csv(engine: Engine) -> Response:
    return _csv("comparison", comparison.COLUMNS, comparison.rows(_compared(engine)))


def _list_csv(engine: Engine) -> Response:
    rows = _list(engine) or []
    return _csv("list", list(rows[0]) if rows else ["term"], [list(row.values()) for row in rows])


_ANSWERS: dict[str, Callable[[Engine], Response]] = {
    "/": _page,
    "/api/terms": _terms,
    "/api/comparison": lambda engine: jsonify(plain(_compared(engine))),
    "/api/comparison.csv": _comparison_csv,
    "/api/list": lambda engine: jsonify(plain(_list(engine))),
    "/api/list.csv": _list_csv,
}


def _hardened(response: Response) -> Response:
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    return response


def _refused(error: SearchForecastError) -> tuple[Response, int]:
    return jsonify(error=_COMMAND.sub("", str(error), count=1)), 400 if isinstance(error, UsageError) else 404


def _failed(error: HTTPException) -> tuple[Response, int]:
    return jsonify(error=error.description), error.code or 500


def _refuse_foreign(hosts: frozenset[str] | None) -> None:
    """Refuse what another site makes a browser send here, and another name that leads here (DNS rebinding)."""
    if request.method not in ("GET", "HEAD"):
        abort(405, "this server answers GET only")
    host, origin = request.headers.get("X-Forwarded-Host" if hosts is None else "Host"), request.headers.get("Origin")
    if hosts is not None and host not in hosts:
        abort(403, "this page is called by the address that the command printed, and by no other")
    # To the page itself a link of the workspace leads, and the login.
    is_link = hosts is None and request.path == "/" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    is_own = is_link or request.headers.get("Sec-Fetch-Site", "none") in _OWN
    if (origin and origin.partition("://")[2] != host) or not is_own:
        abort(403, "another site asks; only this page may")
    if len(request.query_string) > _LONGEST_QUERY:
        abort(414, f"the address is longer than {_LONGEST_QUERY} bytes")


def _asked(name: str) -> list[str]:
    """The values of a parameter; those of the period may stand beside it."""
    known = {name, "grain", "from", "to"}
    for other, texts in request.args.lists():
        if other not in known:
            raise UsageError(f"explore: no parameter {other[:50]}; there are {', '.join(sorted(known))}")
        if max(map(len, texts)) > LONGEST_TEXT:
            raise UsageError(f"explore: {other} has more than {LONGEST_TEXT} characters")
        if len(texts) > 1 and other != "term":
            raise UsageError(f"explore: {other} is there twice")
    return request.args.getlist(name)


def _one(name: str, default: str) -> str:
    return (_asked(name) or [default])[0]


def _period() -> comparison.Period:
    texts = {name: request.args.get(name) or None for name in ("grain", "from", "to")}
    first, last = (_day(name, texts[name]) for name in ("from", "to"))
    return comparison.Period(texts["grain"] or "day", first, last)


def _day(name: str, text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"explore: {name}={text} is not a date like 2021-11-12") from None


def _csv(name: str, columns: Sequence[str], rows: list[list[Any]]) -> Response:
    out = io.StringIO()
    spreadsheet.write(out, columns, rows)
    # The mark says UTF-8 to a spreadsheet.
    response = Response("\ufeff" + out.getvalue(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


class SilentHandler(WSGIRequestHandler):
    """Logs nothing: what people look for is nobody's business."""

    timeout = 2  # seconds; a browser opens connections in advance, and the end waits for all

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - as it is called above
        """Nothing."""


class _Server(ThreadedWSGIServer):
    """Waits at its end for answers that are under way: one that is cut off within DuckDB aborts the process."""

    daemon_threads = False


def hosts_of(port: int) -> frozenset[str]:
    """By which names a browser calls the server, as the header Host has them: of http's own port without it."""
    names = (LOOPBACK, "localhost")
    return frozenset(names if port == _HTTP_PORT else ()) | {f"{name}:{port}" for name in names}


def serve(engine: Engine, port: int, ready: Callable[[str], None]) -> None:
    """Answer on this machine's loopback address until Ctrl-C.

    Args:
        engine: what reads gold.
        port: 0 for any that is free.
        ready: is told the page's address.

    Raises:
        DataError: gold has no searches yet.
        EnvironmentProblem: the port is taken, or not ours to take.
    """
    comparison.start(engine)
    shell(EXPLORE)
    try:
        listening = socket.create_server((LOOPBACK, port))
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise EnvironmentProblem(
            f"explore: port {port} is not free ({reason}); say another --port, or --port 0 for any that is free"
        ) from error
    with listening:
        port = listening.getsockname()[1]
        app = application(engine, hosts_of(port))
        server = _Server(LOOPBACK, port, app, SilentHandler, fd=listening.fileno())
        ready(f"http://{LOOPBACK}:{port}/")
        # An exception in the loop could fall between a request's thread and its start.
        before = signal.signal(signal.SIGINT, lambda *_: Thread(target=server.shutdown).start())
        try:
            server.serve_forever()
        finally:
            signal.signal(signal.SIGINT, before)
