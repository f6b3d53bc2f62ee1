"""One thing that is not as it should be."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What is wrong, where, and what mends it; where `is_harmless`, nothing is lost or counted wrongly by it."""

    where: str
    what: str
    mend: str
    is_harmless: bool = False
