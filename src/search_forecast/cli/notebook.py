"""What a notebook works with: the same commands, tables and files on this machine and in a workspace."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search_forecast.cli import output
from search_forecast.cli.application import ROOT, main
from search_forecast.cli.call import DEFAULT_LAKEHOUSE, LAYERS, Call
from search_forecast.cli.queries import local_engine
from search_forecast.errors import EnvironmentProblem, SearchForecastError
from search_forecast.lakehouse.developer import short_name
from search_forecast.lakehouse.task_values import is_on_databricks

if TYPE_CHECKING:
    import pandas as pd

# Where `databricks bundle deploy` puts a notebook of the target dev; staging and prod get none.
_DEPLOYMENT = re.compile(r"(?:/Workspace)?/Users/(?P<user>[^/]+)/\.bundle/search_term_forecast/dev/files/")
_LAYER = re.compile(rf"\bsearch_({'|'.join(LAYERS)})\.")


@dataclass(frozen=True)
class Place:
    """A lakehouse on this machine, or the schemas of a development deployment.

    Attributes:
        flags: Those that name the tables, for the commands that know them.
        files: Directory for what a notebook writes and reads beside tables.
        catalog: Catalog of the tables; None on this machine.
        prefix: What the names of the schemas begin with.
    """

    flags: Mapping[str, str]
    files: Path
    catalog: str | None = None
    prefix: str = ""

    def run(self, command: str) -> None:
        """Run a command of search-forecast in this process; it prints what it did.

        Args:
            command: As on a command line, without the program's name. Tables are called `search_gold.infant_growth`
                and so on everywhere.

        Raises:
            SearchForecastError: it failed, and has said why.
        """
        name, *words = (_LAYER.sub(rf"{self.prefix}search_\1.", word) for word in shlex.split(command))
        known = {option for parameter in getattr(ROOT.commands.get(name), "params", []) for option in parameter.opts}
        code = main([name, *words, *(f"{flag}={value}" for flag, value in self.flags.items() if flag in known)])
        if code:
            raise SearchForecastError(f"{name} ended with exit code {code}; the line above says why")

    def sql(self, query: str) -> "pd.DataFrame":
        """The rows of a query of Spark's SQL on tables such as search_gold.daily_totals."""
        import pandas as pd

        if self.catalog is not None:
            from search_forecast.lakehouse.session import session

            return session().sql(_LAYER.sub(rf"`{self.catalog}`.`{self.prefix}search_\1`.", query)).toPandas()
        with local_engine(Call("sql", Path(self.flags["--lakehouse"]))) as engine:
            answer = engine.ask(query)
        return pd.DataFrame(answer.rows, columns=answer.columns)


def place(catalog: str = "main", folder: Path | None = None) -> Place:
    """Where a notebook is, by its folder.

    Args:
        catalog: The catalog of the deployment's schemas, in a workspace.
        folder: The notebook's; this process's when None.

    Raises:
        EnvironmentProblem: it is in a workspace, but in no development deployment.
    """
    output.console.is_jupyter = output.errors.is_jupyter = False  # rich would make a block of HTML of each line
    if not is_on_databricks():
        return Place({"--lakehouse": str(DEFAULT_LAKEHOUSE)}, Path("files").absolute())
    deployment = _DEPLOYMENT.match(f"{folder or Path.cwd()}/")
    if deployment is None:
        raise EnvironmentProblem(
            f"{folder or Path.cwd()} is in no development deployment, whose tables this notebook may write: run "
            "databricks bundle deploy, and open the notebook in .bundle/search_term_forecast/dev/files/notebooks"
        )
    user = deployment["user"]
    prefix = f"dev_{short_name(user)}_"
    schemas = {f"--{layer}-schema": f"{prefix}search_{layer}" for layer in LAYERS}
    volumes = f"/Volumes/{catalog}/{schemas['--bronze-schema']}"
    flags = {
        "--catalog": catalog,
        **schemas,
        "--staging": f"{volumes}/checkpoints/ingest",
        "--experiment": f"/Users/{user}/search_forecast_notebooks",
    }
    return Place(flags, Path(volumes, "artifacts", "notebooks"), catalog, prefix)
