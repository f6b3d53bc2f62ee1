"""`explore` as a Databricks App: started as the platform starts it, it answers as it does on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from packaging.requirements import Requirement

from search_forecast.bundle.configuration import Bundle, User, load
from search_forecast.lakehouse.toolchain.paths import cache_dir
from search_forecast.pages.app import main
from search_forecast.pages.explore import application
from search_forecast.queries import translation
from search_forecast.queries.local import LocalEngine
from support import shop
from support.places import PROJECT
from support.workspace import Workspace, answering, as_text

HOST = "search-explore-ann.example"
KINDS = {int: "LONG", float: "DOUBLE", bool: "BOOLEAN", date: "DATE"}
READERS = {"INT": int, "DATE": date.fromisoformat, "STRING": str}
REQUIREMENTS = PROJECT / "src" / "requirements.txt"


class Warehouse(Workspace):
    """Answers statements from a lakehouse on this machine."""

    def __init__(self, lake: Path) -> None:
        super().__init__()
        self.engine = LocalEngine(lake)
        self.tables = [each.name for each in (lake / "search_gold").iterdir()]
        self.statement_steps, self.chunk_rows = ["SUCCEEDED"], 50

    def answer(self, asked: dict[str, Any]) -> Any:
        values = {
            each["name"]: READERS[each["type"]](each["value"]) if "value" in each else None
            for each in asked.get("parameters", [])
        }
        names = translation.tables(translation.parse(asked["statement"]))
        got = self.engine.run(asked["statement"], values, names)
        firsts = [next((v for v in column if v is not None), "") for column in zip(*got.rows, strict=True)]
        kinds = [KINDS.get(type(first), "STRING") for first in firsts or got.columns]
        rows = [[as_text(value) for value in row] for row in got.rows]
        return list(zip(got.columns, kinds, strict=True)), rows


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop.lakehouse(tmp_path_factory.mktemp("shop"))


def bundle_with_app(root: Path, target: str) -> Bundle:
    """A target of the bundle as Ann has it, where databricks.yml includes the app."""
    shutil.copytree(PROJECT / "resources", root / "resources")
    text = (PROJECT / "databricks.yml").read_text()
    (root / "databricks.yml").write_text(text.replace("# - resources/optional", "- resources/optional"))
    values = {"warehouse_id": "w1", "service_principal": "sp", "alert_recipient": "ops@example.com"}
    return load(root, user=User("ann@example.com"), target=target, variables=values)


def facts(page: str) -> Any:
    return json.loads(page.partition('id="data">')[2].partition("</script>")[0])


def test_started_as_the_platform_does_it_answers_as_here(lake: Path, tmp_path: Path) -> None:
    app = bundle_with_app(tmp_path / "bundle", "dev").resources("apps")["explore"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = application(LocalEngine(lake), None).test_client()
    with answering(Warehouse(lake)) as workspace:
        environment = {each["name"]: each["value"] for each in app["config"]["env"]} | {
            "DATABRICKS_HOST": workspace.url, "DATABRICKS_CLIENT_ID": "app", "DATABRICKS_CLIENT_SECRET": "x",
            "DATABRICKS_APP_PORT": str(port), "PATH": os.environ["PATH"], "HOME": str(tmp_path),
            "SEARCH_FORECAST_CACHE": str(cache_dir()),  # where the page is bundled already
        }  # fmt: skip
        command = [sys.executable, *app["config"]["command"][1:]]
        source = (PROJECT / "resources" / "optional" / app["source_code_path"]).resolve()
        with subprocess.Popen(command, cwd=source, env=environment, text=True, stdout=subprocess.PIPE) as process:
            try:
                assert process.stdout is not None
                assert process.stdout.readline() == f"explore answers on port {port}\n"

                def get(path: str, **values: Any) -> str:
                    address = f"http://127.0.0.1:{port}{path}?{urlencode(values, doseq=True)}"
                    with urlopen(Request(address, headers={"X-Forwarded-Host": HOST})) as response:
                        return response.read().decode()

                assert facts(get("/")) == facts(here.get("/").text)
                for path, values in (
                    ("/api/terms", {"part": "Lap"}),
                    ("/api/comparison", {"term": ["camping tent", "(total)"], "from": "2026-03-10"}),
                    ("/api/comparison.csv", {"term": ["=1+1"], "grain": "week"}),
                    ("/api/list", {"list": "rising"}),
                    ("/api/list", {"list": "breakouts"}),
                ):
                    answered = get(path, **values)
                    assert answered == here.get(path, query_string=values).text, path
                    assert len(answered) > 50
            finally:
                process.terminate()
    assert {each["asked"]["schema"] for each in workspace.statements.values()} == {"dev_ann_search_gold"}
    assert {each["asked"]["warehouse_id"] for each in workspace.statements.values()} == {"w1"}


@pytest.mark.parametrize(("target", "name"), [("dev", "ann"), ("staging", "staging"), ("prod", "prod")])
def test_analysts_may_use_it_and_it_may_read_gold_and_no_more(tmp_path: Path, target: str, name: str) -> None:
    bundle = bundle_with_app(tmp_path / "bundle", target)

    app = bundle.resources("apps")["explore"]
    assert (app["name"], app["permissions"]) == (
        f"search-explore-{name}", [{"level": "CAN_USE", "group_name": "account users"}],
    )  # fmt: skip
    assert app["resources"] == [{"name": "warehouse", "sql_warehouse": {"id": "w1", "permission": "CAN_USE"}}]
    principal = "${resources.apps.explore.service_principal_client_id}"  # known once it is deployed
    grants = {layer: schema["grants"] for layer, schema in bundle.resources("schemas").items()}
    assert [(layer, each) for layer, some in grants.items() for each in some if each["principal"] == principal] == [
        ("gold", {"principal": principal, "privileges": ["USE_SCHEMA", "SELECT"]})
    ]
    assert len(grants["gold"]) == 3  # beside those of who needs it without the app


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/terms", {"Sec-Fetch-Site": "same-origin", "Origin": f"https://{HOST}"}, 200),
        ("/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),  # a link of the workspace
        ("/api/terms", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ("/", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("/api/terms", {"Sec-Fetch-Site": "same-site"}, 403),
        ("/api/terms", {"Origin": "https://evil.example"}, 403),
        ("/api/terms", {"Origin": "http://localhost"}, 403),  # the proxy's Host is nobody's name
    ],
)
def test_behind_the_proxy_only_the_page_asks(lake: Path, path: str, headers: dict[str, str], status: int) -> None:
    client = application(LocalEngine(lake), None).test_client()

    assert client.get(path, headers={"X-Forwarded-Host": HOST, **headers}).status_code == status


def test_elsewhere_it_says_in_a_line_that_it_is_no_app(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABRICKS_APP_PORT", raising=False)
    monkeypatch.setattr("sys.argv", ["app", "--warehouse=w", "--catalog=c", "--schema=s"])

    assert main() == 3
    said = "app: no DATABRICKS_APP_PORT, so this is no Databricks App; here it is search-forecast explore\n"
    assert capsys.readouterr().err == said


def test_what_it_imports_is_required_and_pinned_as_locked() -> None:
    pins = dict(re.findall(r"^([a-z0-9-]+)==(\S+)$", REQUIREMENTS.read_text(), re.MULTILINE))
    locked = set(re.findall(r"^([a-z0-9-]+)==([^ ;]+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE))
    script = "import sys, search_forecast.pages.app, search_forecast.pages.charts, vl_convert; print(*sys.modules)"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=PROJECT / "src", env={}, capture_output=True, text=True, check=True)

    packages = {name: {each.lower().replace("_", "-") for each in those}  # of a name that several share, one will do
                for name, those in metadata.packages_distributions().items()}  # fmt: skip
    loaded = {name.partition(".")[0] for name in done.stdout.split()} & packages.keys()
    assert {"flask", "altair", "vl_convert", "databricks", "requests"} <= loaded
    assert {
        name for name in loaded - {"search_forecast", "_distutils_hack"} if not packages[name] & pins.keys()
    } == set()
    assert set(pins.items()) - locked == set()
    for name in pins:
        wants = [Requirement(text) for text in metadata.requires(name) or []]
        wanted = {item.name.lower() for item in wants if item.marker is None or item.marker.evaluate({"extra": ""})}
        assert {each.replace("_", "-") for each in wanted} <= pins.keys(), name
