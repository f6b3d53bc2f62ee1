"""Whether privileges are such that the securable has them: the CLI takes every privilege on everything."""

from collections.abc import Iterator

from search_forecast.bundle.checks.problem import Problem
from search_forecast.bundle.configuration import Bundle
from search_forecast.bundle.documents import as_text
from search_forecast.errors import did_you_mean

# https://docs.databricks.com/aws/en/data-governance/unity-catalog/manage-privileges/privileges
_ALWAYS = {"ALL_PRIVILEGES", "APPLY_TAG", "BROWSE", "MANAGE"}
_IN_SCHEMA = {"EXECUTE", "MODIFY", "READ_VOLUME", "REFRESH", "SELECT", "WRITE_VOLUME"}
_PRIVILEGES = {
    "schemas": _ALWAYS | _IN_SCHEMA | {"CREATE_FUNCTION", "CREATE_MATERIALIZED_VIEW", "CREATE_MODEL", "CREATE_TABLE",
                                       "CREATE_VOLUME", "EXTERNAL_USE_SCHEMA", "USE_SCHEMA"},
    "volumes": _ALWAYS | {"READ_VOLUME", "WRITE_VOLUME"},
    "registered_models": _ALWAYS | {"EXECUTE"},
}  # fmt: skip


def problems(bundle: Bundle) -> Iterator[Problem]:
    """Privileges that a schema, volume or model does not have, and grants of nothing or to nobody."""
    for kind, privileges in _PRIVILEGES.items():
        for key, resource in bundle.resources(kind).items():
            for grant in resource.get("grants") or []:
                named = grant.get("privileges") or []
                if not named:
                    yield Problem(f"{kind}.{key}", f"grants nothing to {grant['principal']}")
                for privilege in named if isinstance(named, list) else []:
                    if as_text(privilege) not in privileges:
                        nearest = did_you_mean(str(privilege), privileges)
                        yield Problem(f"{kind}.{key}", f"has no privilege {privilege}{nearest}")
