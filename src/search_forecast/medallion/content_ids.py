"""What content the files of a landing directory have, without reading again those that nobody touched since."""

import os.path
from datetime import datetime
from pathlib import Path

from search_forecast.lakehouse import notes
from search_forecast.medallion import landing
from search_forecast.medallion.containers import Part

_NOTE = "content_ids"
_QUIET_SECONDS = 10  # by which a file system's clock may be coarse: within it a file can change and keep its times
Stamp = list[int]  # size in bytes; nanoseconds at which the content, and anything of the file, changed last


def new_bytes(staging: Path, source: Path) -> int:
    """The bytes of the files at a source whose content is not noted."""
    noted = notes.read(staging, _NOTE)
    files = [source] if source.is_file() else source.rglob("*")
    files = (file for file in files if os.path.isfile(file))  # noqa: PTH113 - as in ContentIds.save
    return sum(landing.file_size(file) for file in files if Part(file.absolute()).name not in noted)


class ContentIds:
    """The content_id of deliveries, noted with the size and the times that their files had.

    Only hashes are noted: what counts as known is what search_bronze.deliveries says of them. A file is read again
    where any of the three differs (a copy that keeps the time of its content has a new one of the file), where it was
    touched so shortly before the run that more could have followed at the same time, or in the future.

    Args:
        staging: of the lakehouse.
        now: when the run began.
        is_verified: whether to read every file whatever is noted.
    """

    def __init__(self, staging: Path, now: datetime, *, is_verified: bool = False) -> None:
        self._staging, self._is_verified = staging, is_verified
        self._latest = (now.timestamp() - _QUIET_SECONDS) * 1e9
        self._before = notes.read(staging, _NOTE)
        self._seen: dict[str, list[object]] = {}

    def get(self, part: Part) -> str | None:
        """The delivery's content_id; None where it can't be read."""
        stamp, noted = self.stamp(part), self._before.get(part.name)
        if stamp is not None and not self._is_verified and isinstance(noted, list) and noted[:-1] == stamp:
            self._seen[part.name] = noted
            return str(noted[-1])
        content_id = landing.content_id(part)
        self.note(part, stamp, content_id)
        return content_id

    def note(self, part: Part, stamp: Stamp | None, content_id: str | None) -> None:
        """Note a content that was read, unless its stamp of before tells too little or is another one now."""
        if stamp is not None and content_id is not None and stamp == self.stamp(part):
            self._seen[part.name] = [*stamp, content_id]

    def stamp(self, part: Part) -> Stamp | None:
        """Size and times of the delivery's file; None where they don't tell its content from another one's."""
        try:
            stat = part.path.stat()
        except OSError:
            return None
        is_quiet = max(stat.st_mtime_ns, stat.st_ctime_ns) < self._latest
        return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns] if is_quiet else None

    def save(self) -> None:
        """Keep what was noted of the files seen now, and of others still there, but for members of zip files."""
        others = self._before.keys() - self._seen.keys()
        others = {name for name in others if os.path.exists(name)}  # noqa: PTH110 - Path's fails in another's folder
        note = {name: self._before[name] for name in others} | self._seen
        if note != self._before:
            notes.write(self._staging, _NOTE, note)
