"""What a SIM switch was doing, on disk, so that a killed daemon knows where it left the modem."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

from remsimd import files
from remsimd.config.model import SimSource

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The card a modem is on, and the one it was being moved to (None between switches)."""

    source: SimSource
    moving_to: SimSource | None = None


class Journal:
    """One small file a modem. Written before every change of hardware, atomically."""

    def __init__(self, state_dir: Path, modem: str) -> None:
        self._path = state_dir / f"sim-{modem}.json"
        self._refused = False

    def read(self) -> JournalEntry | None:
        """The last entry; None where there is none or it cannot be understood."""
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            moving_to = document["moving_to"]
            return JournalEntry(
                SimSource(document["source"]), None if moving_to is None else SimSource(moving_to)
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, entry: JournalEntry) -> None:
        """Make `entry` what a restarted daemon will read, whatever happens meanwhile.

        A flash that is full or worn out must not keep the modem from a card: the failure is told, and
        a restart after a kill begins with the older entry.
        """
        if entry == self.read():
            return  # flash wears: an entry that says nothing new is not written
        try:
            files.replace(self._path, json.dumps(asdict(entry)).encode())
        except OSError as error:
            level = logging.DEBUG if self._refused else logging.WARNING
            self._refused = True
            log.log(level, "the journal %s cannot be written: %s", self._path, error.strerror)
        else:
            self._refused = False
