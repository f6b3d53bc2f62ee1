"""`explore` as a Databricks App: the same page, answered by a SQL warehouse to whom the workspace lets in.

The platform starts it in the folder of the sources, with the login of the app's own principal and the port in the
environment: `python -m search_forecast.pages.app --warehouse ID --catalog C --schema S`.
"""

import argparse
import os
import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from werkzeug.serving import make_server

from search_forecast.errors import SearchForecastError, UsageError
from search_forecast.pages.explore import SilentHandler, application
from search_forecast.pages.shell import EXPLORE, shell
from search_forecast.queries.warehouse import WarehouseEngine

_EVERYWHERE = "0.0.0.0"  # noqa: S104 - of a container that only the platform's proxy reaches
_TIMEOUT_SECONDS = 60


def serve(warehouse: str, catalog: str, schema: str) -> None:
    """Answer until the platform ends it.

    Raises:
        UsageError: the environment is not that of an app.
    """
    port = os.environ.get("DATABRICKS_APP_PORT", "")
    if not port.isdigit():
        raise UsageError(
            "app: no DATABRICKS_APP_PORT, so this is no Databricks App; here it is search-forecast explore"
        )
    try:
        config = Config(http_timeout_seconds=_TIMEOUT_SECONDS, retry_timeout_seconds=_TIMEOUT_SECONDS)
        client = WorkspaceClient(config=config)
    except ValueError as error:
        raise UsageError(f"app: no login in the environment ({str(error).splitlines()[0]})") from error
    engine = WarehouseEngine(client, warehouse, catalog, schema)
    shell(EXPLORE)  # made once, before anybody waits for it
    server = make_server(
        _EVERYWHERE, int(port), application(engine, hosts=None), threaded=True, request_handler=SilentHandler
    )
    print(f"explore answers on port {port}", flush=True)
    server.serve_forever()


def main() -> int:
    """Serve what the command line says; the exit code."""
    parser = argparse.ArgumentParser(prog="search_forecast.pages.app")
    for name, meaning in (("warehouse", "id of the SQL warehouse"), ("catalog", "of gold"), ("schema", "of gold")):
        parser.add_argument(f"--{name}", required=True, help=meaning)
    chosen = parser.parse_args()
    try:
        serve(chosen.warehouse, chosen.catalog, chosen.schema)
    except SearchForecastError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
