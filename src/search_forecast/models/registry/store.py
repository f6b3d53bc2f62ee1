"""Runs, registered versions, aliases, tags and files of models.

Here everything lies in `<lakehouse>/_mlflow` (a SQLite database and the files of the models); on Databricks in the
workspace's experiment and Unity Catalog, where a model is called `<catalog>.<gold schema>.<name>`.

A version appears in one step, after its files are complete: its tags come with it, its record is one of its files.
"""

import json
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search_forecast.errors import DataError, EnvironmentProblem, UsageError
from search_forecast.models import provenance
from search_forecast.models.registry import package

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

DIRECTORY = "_mlflow"
CHAMPION, CHALLENGER = "champion", "challenger"
_ARTIFACT = "model"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)


@dataclass(frozen=True)
class Version:
    """A registered version as the registry lists it; its full record is a file of it, see `Registry.record`."""

    name: str
    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_at_ms: int
    run_id: str
    source: str

    def __str__(self) -> str:
        """Name, version and aliases, for people."""
        return f"{self.name} version {self.number}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


class Registry:
    """Models and their versions, local or on Databricks."""

    def __init__(self, root: Path | None, *, prefix: str = "", experiment: str = "search_forecast") -> None:
        self._root = root
        self._prefix = prefix
        self._experiment = experiment
        self._made: MlflowClient | None = None

    @property
    def _database(self) -> Path | None:
        return None if self._root is None else self._root / "mlflow.db"

    @property
    def _client(self) -> "MlflowClient":
        if self._made is None:
            import mlflow  # noqa: PLC0415 - seconds that other commands need not wait

            for name in ("mlflow", "alembic"):  # "Creating initial MLflow database tables..."
                logging.getLogger(name).setLevel(logging.WARNING)
            if self._database is None:
                self._made = mlflow.MlflowClient("databricks", "databricks-uc")
            else:
                self._database.parent.mkdir(parents=True, exist_ok=True)
                uri = f"sqlite:///{self._database.absolute().as_posix()}"
                self._made = mlflow.MlflowClient(uri, uri)
        return self._made

    def _is_empty(self) -> bool:
        return self._database is not None and not self._database.is_file()

    def publish(
        self,
        name: str,
        files: Path,
        record: Mapping[str, Any],
        *,
        parameters: Mapping[str, object],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
    ) -> Version:
        """Log a run with a model's files and register them as the model's next version, alias `challenger`.

        Until the last step nothing of it can be seen among the versions; a run that ends before is marked FAILED, one
        that is killed stays without a version.

        Args:
            name: the model.
            files: a directory that `describe` has made an MLflow model.
            record: what is known about the version.
            parameters: of the run.
            metrics: of the run.
            tags: of the run and the version.
        """
        with _translated(), self._run(name, tags) as run_id:
            client = self._client
            for key, value in parameters.items():
                client.log_param(run_id, key, value)
            for key, number in metrics.items():
                client.log_metric(run_id, key, number)
            client.log_inputs(run_id, [package.dataset(table, record) for table in record["tables"]])
            client.log_artifacts(run_id, str(files), _ARTIFACT)
        with _translated():
            source = f"{client.get_run(run_id).info.artifact_uri}/{_ARTIFACT}"
            self._ensure_model(name)
            made = client.create_model_version(self._full(name), source, run_id, tags=dict(tags))
            client.set_registered_model_alias(self._full(name), CHALLENGER, str(made.version))
            return self._version(name, int(made.version))

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        run = self._client.create_run(self._experiment_id(), tags=dict(tags), run_name=name)
        run_id = str(run.info.run_id)
        try:
            yield run_id
        except BaseException:
            self._client.set_terminated(run_id, "FAILED")
            raise
        self._client.set_terminated(run_id, "FINISHED")

    def _experiment_id(self) -> str:
        found = self._client.get_experiment_by_name(self._experiment)
        if found is not None:
            return str(found.experiment_id)
        location = None if self._root is None else (self._root / "artifacts").absolute().as_uri()
        return str(self._client.create_experiment(self._experiment, artifact_location=location))

    def _ensure_model(self, name: str) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        try:
            self._client.create_registered_model(self._full(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        return sorted({version.name for version in self.versions()})

    def versions(self, name: str | None = None) -> list[Version]:
        """All versions of one model or of all, by name and number."""
        if self._is_empty():
            return []
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with _translated():
            try:
                return sorted(self._search(name), key=lambda version: (version.name, version.number))
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                return []

    def _search(self, name: str | None) -> Iterator[Version]:
        models = [name] if name else [model.name.removeprefix(self._prefix) for model in self._all_models()]
        for model in models:
            token = None
            while True:
                page = self._client.search_model_versions(f"name='{self._full(model)}'", page_token=token)
                # A search leaves out tags and aliases in Unity Catalog.
                yield from (self._version(model, int(found.version)) for found in page if found.status == "READY")
                token = page.token
                if not token:
                    break

    def _all_models(self) -> Iterator[Any]:
        token = None
        while True:
            page = self._client.search_registered_models(page_token=token)
            yield from (model for model in page if model.name.startswith(self._prefix))
            token = page.token
            if not token:
                return

    def find(self, name: str, version: int | None = None, alias: str | None = None) -> Version:
        """A version by number or alias; with neither the champion, else the latest.

        Raises:
            UsageError: there is none.
        """
        found = self.versions(name) if _NAME.fullmatch(name) else []
        if not found:
            # Unity Catalog would list every model of the metastore.
            known = ", ".join(self.names()) if self._root is not None else ""
            raise UsageError(
                f"no model {self._full(name)}; "
                + (f"there is {known}" if known else "make one with train-regression or import-model")
            )
        numbers = ", ".join(str(item.number) for item in found)
        if version is not None:
            chosen = [item for item in found if item.number == version]
            if not chosen:
                raise UsageError(f"{name} has no version {version}; it has {numbers}")
            return chosen[0]
        if alias is not None:
            chosen = [item for item in found if alias in item.aliases]
            if not chosen:
                known = ", ".join(sorted({name for item in found for name in item.aliases}))
                raise UsageError(f"{name} has no alias {alias}; it has {known or 'none'}, and versions {numbers}")
            return chosen[0]
        return next((item for item in found if CHAMPION in item.aliases), found[-1])

    def files(self, version: Version, scratch: Path) -> Path:
        """The directory of a version's own files, their content checked against its record.

        Args:
            version: which.
            scratch: an empty directory to download to, used on Databricks only.

        Raises:
            DataError: a file is missing, changed or added since it was registered.
        """
        directory = self._directory(version, scratch)
        record = self._read_record(version, directory)
        recorded, directory = record["files"], directory / str(record.get("files_directory", package.SPARK_FILES))
        found = provenance.files_manifest(directory)
        wrong = sorted(path for path in {*recorded, *found} if recorded.get(path) != found.get(path))
        if wrong:
            raise DataError(
                f"{version}: {wrong[0]} is not what was registered ({len(wrong)} of {len(recorded)} files): damaged or "
                f"tampered with; use another version"
            )
        return directory

    def record(self, version: Version) -> dict[str, Any]:
        """All that was recorded when the version was made."""
        if self._root is not None:
            return self._read_record(version, self._directory(version, None))
        with tempfile.TemporaryDirectory() as directory:
            return self._read_record(version, self._directory(version, Path(directory), package.RECORD))

    def _read_record(self, version: Version, directory: Path) -> dict[str, Any]:
        try:
            record = json.loads((directory / package.RECORD).read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{version}: its files are missing or damaged ({directory / package.RECORD})") from error
        return dict(record)

    def _directory(self, version: Version, scratch: Path | None, only: str = "") -> Path:
        if self._root is not None:
            # Not what the database says: that holds the path from when the lakehouse lay elsewhere.
            return self._root / "artifacts" / version.run_id / "artifacts" / _ARTIFACT
        from mlflow import artifacts  # noqa: PLC0415

        with _translated():
            uri = f"models:/{self._full(version.name)}/{version.number}/{only}".rstrip("/")
            got = Path(artifacts.download_artifacts(artifact_uri=uri, dst_path=str(scratch), tracking_uri="databricks"))
            return got.parent if only else got

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Put tags on a version."""
        with _translated():
            for key, value in tags.items():
                self._client.set_model_version_tag(self._full(version.name), str(version.number), key, value)

    def promote(self, version: Version, alias: str, tags: Mapping[str, str]) -> None:
        """Let an alias point to a version; the tags that say why come first, so that none is ever without them."""
        self.tag(version, tags)
        with _translated():
            self._client.set_registered_model_alias(self._full(version.name), alias, str(version.number))

    def _version(self, name: str, number: int) -> Version:
        found: ModelVersion = self._client.get_model_version(self._full(name), str(number))
        aliases = tuple(sorted(str(alias) for alias in found.aliases))
        created = int(found.creation_timestamp or 0)
        return Version(name, number, aliases, dict(found.tags), created, str(found.run_id or ""), str(found.source))

    def _full(self, name: str) -> str:
        return f"{self._prefix}{name}"


def check_name(name: str) -> None:
    """Raise UsageError unless a model may be called that, here and in Unity Catalog."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a model: letters, digits, _ and -, at most 100")


@contextmanager
def _translated() -> Iterator[None]:
    """MLflow's errors as one line that says where they come from."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in ("mlflow", "sqlalchemy", "sqlite3", "alembic"):
            raise
        first = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise EnvironmentProblem(f"the model registry failed: {first} (--debug shows all)") from error
