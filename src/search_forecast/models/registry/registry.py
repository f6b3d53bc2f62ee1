"""Runs, registered versions, aliases, tags and files of models.

Here everything lies in `<lakehouse>/_mlflow` (a SQLite database and the files of the models); on Databricks in the
workspace's experiment and Unity Catalog, where a model is called `<catalog>.<gold schema>.<name>`.

A version appears in one step, after its files are complete: its tags come with it, its record is one of its files.
"""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search_forecast.errors import EnvironmentProblem, UsageError, did_you_mean
from search_forecast.models.registry import mlflow_model, record, unity_catalog
from search_forecast.models.registry.connection import Connection, pages, translated, unless_there
from search_forecast.parameters import DEMAND_MODEL

DIRECTORY = "_mlflow"
CHAMPION, CHALLENGER = "champion", "challenger"
FORCED_BECAUSE = "_forced_because"  # how the tag is called, after the alias, that says why a gate was overruled
_ARTIFACT = "model"


@dataclass(frozen=True)
class Version:
    """A registered version as the registry lists it; its full record is a file of it, see `Registry.record`."""

    name: str
    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    created_at_ms: int
    run_id: str

    def __str__(self) -> str:
        """Name, version and aliases, for people."""
        return f"{self.name} version {self.number}" + (f" ({', '.join(self.aliases)})" if self.aliases else "")


class Registry:
    """Models and their versions, local or on Databricks."""

    def __init__(self, root: Path | None, *, prefix: str = "", experiment: str = "search_forecast") -> None:
        self._root = root
        self._prefix = prefix
        self._experiment = experiment
        self._connection = Connection(root)

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
        tags = unity_catalog.tags(tags)
        with translated(), self._run(name, tags) as run_id:
            client = self._connection.client
            client.log_batch(run_id, mlflow_model.metrics(metrics), mlflow_model.parameters(parameters))
            client.log_inputs(run_id, [mlflow_model.dataset(table, record) for table in record["tables"]])
            source = self._keep(run_id, files)
        with translated():
            unless_there(lambda: client.create_registered_model(self._full(name)))
            version = client.create_model_version(self._full(name), source, run_id, tags=tags)
        self._point(name, CHALLENGER, int(version.version))
        return self.find(name, int(version.version))

    def _keep(self, run_id: str, files: Path) -> str:
        """Put a run's files where `_directory` looks for them; their address."""
        client = self._connection.client
        if self._root is None:
            client.log_artifacts(run_id, str(files), _ARTIFACT)
            return f"{client.get_run(run_id).info.artifact_uri}/{_ARTIFACT}"
        place = self._of_run(self._root, run_id)
        shutil.copytree(files, place)
        return place.absolute().as_uri()

    @staticmethod
    def _of_run(root: Path, run_id: str) -> Path:
        # Not what the database says: that holds the path from when the lakehouse lay elsewhere.
        return root / "artifacts" / run_id / "artifacts" / _ARTIFACT

    @contextmanager
    def _run(self, name: str, tags: Mapping[str, str]) -> Iterator[str]:
        run = self._connection.client.create_run(self._experiment_id(), tags=dict(tags), run_name=name)
        run_id = str(run.info.run_id)
        try:
            yield run_id
        except BaseException:
            self._connection.client.set_terminated(run_id, "FAILED")
            raise
        self._connection.client.set_terminated(run_id, "FINISHED")

    def _experiment_id(self) -> str:
        client, name = self._connection.client, self._experiment
        location = None if self._root is None else (self._root / "artifacts").absolute().as_uri()
        if self._root is None:
            # A bundle's path begins so; the workspace leaves that out and finds nothing by it (mlflow/mlflow#11077).
            name = re.sub("^/Workspace(?=/)", "", name)
        if client.get_experiment_by_name(name) is None:
            unless_there(lambda: client.create_experiment(name, artifact_location=location))
        experiment: Any = client.get_experiment_by_name(name)
        return str(experiment.experiment_id)

    def check_name(self, name: str, *, is_forecast: bool) -> None:
        """Raise UsageError where a model may not be called so, or one of the other kind (forecasts, Spark ML) is."""
        unity_catalog.check_name(name)
        latest = self.latest(name)
        is_free = latest is None and name != DEMAND_MODEL
        is_demand = latest.tags.get("kind") == "forecast" if latest else name == DEMAND_MODEL
        if not is_free and is_demand != is_forecast:
            what = "the model that forecasts demand" if is_demand else "a model of Spark ML"
            raise UsageError(f"{name} is the name of {what}; choose another --name")

    def names(self) -> list[str]:
        """The models that have a version, sorted."""
        models = self._connection.ask(lambda client: list(pages(client.search_registered_models))) or []
        names = [model.name.removeprefix(self._prefix) for model in models if model.name.startswith(self._prefix)]
        return sorted(name for name in names if self._numbers(name))

    def versions(self, name: str | None = None) -> list[Version]:
        """All versions of one model or of all, by name and number; asks for each of them, so only to list them."""
        names = [name] if name else self.names()
        versions = [self._get(each, number) for each in names for number in self._numbers(each)]
        return [version for version in versions if version is not None]

    def _numbers(self, name: str) -> list[int]:
        # A search leaves out tags and aliases in Unity Catalog.
        condition = f"name='{self._full(name)}'"
        versions = (
            self._connection.ask(lambda client: list(pages(client.search_model_versions, filter_string=condition)))
            or []
        )
        return sorted(int(version.version) for version in versions if version.status == "READY")

    def _get(self, name: str, number: int) -> Version | None:
        return self._version(
            name, self._connection.ask(lambda client: client.get_model_version(self._full(name), str(number)))
        )

    def holder(self, name: str, alias: str) -> Version | None:
        """The version that has an alias."""
        if not unity_catalog.is_name(name):
            return None
        full = self._full(name)
        return self._version(name, self._connection.ask(lambda client: client.get_model_version_by_alias(full, alias)))

    def latest(self, name: str) -> Version | None:
        """The version with the highest number."""
        numbers = self._numbers(name) if unity_catalog.is_name(name) else []
        return self._get(name, numbers[-1]) if numbers else None

    def find(self, name: str, version: int | None = None, alias: str | None = None) -> Version:
        """A version by number or alias; with neither the champion, else the latest.

        Raises:
            UsageError: there is none.
        """
        if not unity_catalog.is_name(name):
            choice = None
        elif version is not None:
            choice = self._get(name, version)
        elif alias is not None:
            choice = self.holder(name, alias)
        else:
            choice = self.holder(name, CHAMPION) or self.latest(name)
        if choice is None:
            raise UsageError(self._what_there_is(name, version, alias))
        return choice

    def _what_there_is(self, name: str, version: int | None, alias: str | None) -> str:
        numbers = self._numbers(name) if unity_catalog.is_name(name) else []
        if not numbers:
            # Unity Catalog would list every model of the metastore.
            known = self.names() if self._root is not None else []
            there = did_you_mean(name, known) if known else "; make one with train-regression or import-model"
            return f"no model {self._full(name)}{there}"
        shown = ", ".join(map(str, numbers))
        if version is not None:
            return f"{name} has no version {version}; it has {shown}"
        aliases = self._connection.ask(lambda client: client.get_registered_model(self._full(name))).aliases
        others = ", ".join(sorted(aliases)) or "none"
        return f"{name} has no alias {alias}; it has {others}, and versions {shown}: promote gives one to a version"

    def files(self, version: Version, scratch: Path) -> Path:
        """The directory of a version's own files, their content checked against its record.

        Args:
            version: which.
            scratch: an empty directory to download to, used on Databricks only.

        Raises:
            DataError: a file is missing, changed or added since it was registered.
        """
        return record.checked(self._directory(version, scratch), version)

    def record(self, version: Version) -> dict[str, Any]:
        """All that was recorded when the version was made."""
        with tempfile.TemporaryDirectory() as scratch:
            return record.read(self._directory(version, Path(scratch), mlflow_model.RECORD), version)

    def _directory(self, version: Version, scratch: Path, only: str = "") -> Path:
        if self._root is not None:
            return self._of_run(self._root, version.run_id)
        uri = f"models:/{self._full(version.name)}/{version.number}/{only}".rstrip("/")
        path = self._connection.download(uri, scratch)
        return path.parent if only else path

    def remove(self, version: Version) -> None:
        """Remove a version and its run, here with the files; on Databricks those go once MLflow purges the run."""
        client = self._connection.client
        with translated():
            client.delete_model_version(self._full(version.name), str(version.number))
            if version.run_id:
                client.delete_run(version.run_id)
        if self._root is not None:
            shutil.rmtree(self._root / "artifacts" / version.run_id, ignore_errors=True)

    def compact(self) -> None:
        """Let nothing that was removed stay in free pages of the database on this machine."""
        if self._root is not None and (self._root / "mlflow.db").is_file():
            with translated(), closing(sqlite3.connect(self._root / "mlflow.db")) as database:
                database.execute("vacuum")

    def damage(self) -> str | None:
        """What SQLite finds wrong in the database on this machine, if anything: an index, say, that nobody has read."""
        if self._root is None or not (self._root / "mlflow.db").is_file():
            return None
        try:
            place = f"{(self._root / 'mlflow.db').absolute().as_uri()}?mode=ro"
            with closing(sqlite3.connect(place, uri=True)) as database:
                [said] = database.execute("pragma integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            said = str(error)
        return None if said == "ok" else " ".join(said.split())

    def run_directories(self) -> list[Path]:
        """The files of all runs on this machine, those without a version among them."""
        return [] if self._root is None else [path for path in (self._root / "artifacts").glob("*") if path.is_dir()]

    def directory(self, version: Version, scratch: Path) -> Path:
        """The directory of a version's files and record as they are, unchecked; see `files`."""
        return self._directory(version, scratch)

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Put tags on a version."""
        with translated():
            for key, value in unity_catalog.tags(tags).items():
                self._connection.client.set_model_version_tag(self._full(version.name), str(version.number), key, value)

    def promote(self, version: Version, alias: str, tags: Mapping[str, str]) -> None:
        """Let an alias point to a version; the tags that say why come first, so that none is ever without them.

        Raises:
            DataError: a file of it is missing or changed; on Databricks, where it would be fetched, nobody looks.
        """
        if self._root is not None:
            self.files(version, self._root)
        self.tag(version, tags)
        self._point(version.name, alias, version.number)

    def _point(self, name: str, alias: str, number: int) -> None:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with translated():
            try:
                self._connection.client.set_registered_model_alias(self._full(name), alias, str(number))
            except MlflowException as error:
                if error.error_code != "PERMISSION_DENIED":
                    raise
                raise EnvironmentProblem(
                    f"{self._full(name)} version {number} is there, but you may not set the alias {alias}: that needs "
                    f"MANAGE on the model or owning it, which ALL PRIVILEGES does not hold; ask the model's owner"
                ) from error

    def _version(self, name: str, answer: Any) -> Version | None:
        if answer is None or answer.status != "READY":
            return None
        aliases = tuple(sorted(str(alias) for alias in answer.aliases))
        created = int(answer.creation_timestamp or 0)
        return Version(name, int(answer.version), aliases, dict(answer.tags), created, str(answer.run_id or ""))

    def _full(self, name: str) -> str:
        return f"{self._prefix}{name}"
