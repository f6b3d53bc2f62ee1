"""The one place that makes MLflow's client, and that turns what it complains about into ours."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast.errors import EnvironmentProblem

if TYPE_CHECKING:
    from mlflow import MlflowClient

# One registry says it in one way, another in another; a missing alias is an invalid parameter to SQLite's.
_EXISTS = ("ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS")
_ABSENT = ("NOT_FOUND", "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Connection:
    """MLflow on Databricks (no `root`), or its database in a directory of this machine."""

    def __init__(self, root: Path | None) -> None:
        self._root = root
        self._opened: MlflowClient | None = None

    @property
    def client(self) -> "MlflowClient":
        """MLflow's client, made at its first use; here with its database."""
        if self._opened is None:
            import mlflow  # noqa: PLC0415 - seconds that other commands need not wait

            for name in ("mlflow", "alembic"):  # "Creating initial MLflow database tables..."
                logging.getLogger(name).setLevel(logging.WARNING)
            logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # traces of what `translated` says
            tracking, models = "databricks", "databricks-uc"
            if self._root is None:
                # Parts of MLflow, such as its downloads, ask for these, whatever a client was told.
                mlflow.set_tracking_uri(tracking)
                mlflow.set_registry_uri(models)
            else:
                self._root.mkdir(parents=True, exist_ok=True)
                tracking = models = f"sqlite:///{(self._root / 'mlflow.db').absolute().as_posix()}"
            try:
                self._opened = mlflow.MlflowClient(tracking, models)
            except mlflow.MlflowException as error:
                if "database schema" not in str(error):
                    raise
                raise EnvironmentProblem(
                    f"the model registry was made by another MLflow than {mlflow.__version__}: if by an earlier one, "
                    f"back it up, then run: mlflow db upgrade '{tracking}'; if by a later one, install that"
                ) from error
        return self._opened

    def download(self, uri: str, into: Path) -> Path:
        """Download a file or directory of a registered version from Databricks."""
        from mlflow.artifacts import download_artifacts  # noqa: PLC0415

        def path(_: "MlflowClient") -> Path:
            return Path(download_artifacts(uri, dst_path=str(into)))

        with translated():
            return path(self.client)

    def ask(self, question: Callable[["MlflowClient"], Any]) -> Any:
        """The registry's answer; None where there is no such thing, or no registry yet."""
        if self._root is not None and not (self._root / "mlflow.db").is_file():
            return None
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with translated():
            try:
                return question(self.client)
            except MlflowException as error:
                if error.error_code not in _ABSENT:
                    raise
                return None


def pages(search: Callable[..., Any], **words: object) -> Iterator[Any]:
    """What a search finds, page after page."""
    token = None
    while True:
        page = search(page_token=token, **words)
        yield from page
        token = page.token
        if not token:
            return


def unless_there(create: Callable[[], object]) -> None:
    """Create something, unless somebody else has meanwhile."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415

    try:
        create()
    except MlflowException as error:
        if error.error_code not in _EXISTS:
            raise


@contextmanager
def translated() -> Iterator[None]:
    """MLflow's errors as one line that says where they come from."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy", "sqlite3", "alembic", "requests"):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise EnvironmentProblem(f"the model registry failed: {first} (--debug shows all)") from error
