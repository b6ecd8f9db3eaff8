"""What the orchestrator client must remember over a restart: small files in the state directory.

Writes are synchronous: they are rare (a new card, a command) and the next step must not be
taken before they are on the flash.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from remsimd import files
from remsimd.assignment import Assignment, Endpoint

log = logging.getLogger(__name__)

ASSIGNMENT_FILE = "assignment.json"
COMMANDS_FILE = "commands.json"
GUESTS_FILE = "guests.json"
_FORMAT = 1


class Store:
    """Files of one orchestrator client.

    `owner` names the identity an assignment was given to (orchestrator, tenant, client): one
    kept for another identity is not ours. A file that cannot be read counts as absent.
    """

    def __init__(self, state_dir: str | Path, owner: str) -> None:
        self._dir = Path(state_dir)
        self._owner = owner

    def assignment(self) -> Assignment | None:
        """The last assignment of this identity."""
        document = self._read(ASSIGNMENT_FILE)
        if document is None or document.get("owner") != self._owner:
            return None
        try:
            return _assignment(document["assignment"])
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s does not hold an assignment: %r", self._dir / ASSIGNMENT_FILE, error)
            return None

    def keep_assignment(self, assignment: Assignment | None) -> bool:
        """Remember an assignment, or (None) that there is none. Returns whether that worked."""
        if assignment is not None:
            return self._write(ASSIGNMENT_FILE, {"owner": self._owner, "assignment": asdict(assignment)})
        try:
            (self._dir / ASSIGNMENT_FILE).unlink(missing_ok=True)
        except OSError as error:
            log.warning("cannot remove %s: %s", self._dir / ASSIGNMENT_FILE, error.strerror)
            return False
        return True

    def commands(self) -> list[Mapping[str, Any]]:
        """The entries last kept by `keep_commands`."""
        document = self._read(COMMANDS_FILE) or {}
        entries = document.get("commands", [])
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

    def keep_commands(self, entries: list[dict[str, Any]]) -> bool:
        """Remember the commands seen. Returns whether that worked."""
        return self._write(COMMANDS_FILE, {"commands": entries})

    def guests(self) -> dict[str, Assignment]:
        """The assignments of other clients, by client id, of the same owner."""
        document = self._read(GUESTS_FILE)
        if document is None or document.get("owner") != self._owner:
            return {}
        try:
            return {str(name): _assignment(kept) for name, kept in document["guests"].items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            log.warning("%s does not hold assignments: %r", self._dir / GUESTS_FILE, error)
            return {}

    def keep_guests(self, guests: Mapping[str, Assignment]) -> bool:
        """Remember the assignments of other clients. Returns whether that worked."""
        kept = {name: asdict(assignment) for name, assignment in guests.items()}
        return self._write(GUESTS_FILE, {"owner": self._owner, "guests": kept})

    def _read(self, name: str) -> dict[str, Any] | None:
        path = self._dir / name
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            log.warning("cannot read %s, going on without it: %s", path, error)
            return None
        if not isinstance(document, dict) or document.get("format") != _FORMAT:
            log.warning("%s has another format, going on without it", path)
            return None
        return document

    def _write(self, name: str, content: dict[str, Any]) -> bool:
        """Replace a file as a whole: after a power cut it is the old or the new one."""
        path = self._dir / name
        data = json.dumps({"format": _FORMAT, **content}, separators=(",", ":")).encode()
        try:
            files.replace(path, data)
        except OSError as error:
            log.warning("cannot write %s: %s", path, error.strerror)
            return False
        return True


def _assignment(kept: Mapping[str, Any]) -> Assignment:
    fields = dict(kept)
    for name in ("server", "bankd"):
        if fields.get(name) is not None:
            fields[name] = Endpoint(**fields[name])
    return Assignment(**fields)
