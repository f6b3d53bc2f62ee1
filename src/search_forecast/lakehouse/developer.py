"""What a developer's own deployment is called: the rule of the Databricks CLI (`mode: development`)."""

import re


def normalized(text: str) -> str:
    """Lower case, with everything but letters and digits turned into single underscores."""
    mapped = "".join(c if c.isalpha() or c.isdigit() else "_" for c in text.lower())
    return re.sub("_+", "_", mapped).strip("_")


def short_name(user: str) -> str:
    """The part of a user's name before the @, as it stands in prefixes: it keeps deployments apart."""
    return normalized(user.partition("@")[0])
