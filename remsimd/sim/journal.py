"""What a SIM switch was doing, on disk, so that a killed daemon knows where it left the modem."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from remsimd import files
from remsimd.config.model import SimSource


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """The card a modem is on, and the one it was being moved to (None between switches)."""

    source: SimSource
    moving_to: SimSource | None = None


class Journal:
    """One small file a modem. Written before every change of hardware, atomically."""

    def __init__(self, state_dir: Path, modem: str) -> None:
        self._path = state_dir / f"sim-{modem}.json"

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
        """Make `entry` what a restarted daemon will read, whatever happens meanwhile."""
        if entry == self.read():
            return  # flash wears: an entry that says nothing new is not written
        files.replace(self._path, json.dumps(asdict(entry)).encode())
