"""What a restart of the daemon must not forget of its alerts: who was told, and what people said."""

import json
import logging
from pathlib import Path
from typing import Any

from remsimd import clock, files
from remsimd.observe.alerts import Board, Phase, Standing

log = logging.getLogger(__name__)

FILE = "alerts.json"


class AlertMemory:
    """Keeps the board's firing alerts, acknowledgements and mutes in a file of `state_dir`."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / FILE
        self._kept: dict[str, Any] | None = None
        self._refused = False

    def restore(self) -> Board:
        """The board as it was kept; an empty one from a file that does not hold one.

        A mute that was to last for so long lasts that long at most: the clock may not be set yet.
        """
        now_s, wall_s = clock.monotonic(), clock.wall()
        try:
            document = json.loads(self._path.read_text(encoding="utf-8"))
            standings = {
                (str(name), str(subject)): Standing(Phase.FIRING, now_s, acknowledged=bool(acknowledged))
                for name, subject, acknowledged in document["firing"]
            }
            muted = {
                str(name): now_s + min(float(until_s) - wall_s, float(left_s))
                for name, (until_s, left_s) in document["muted"].items()
            }
        except FileNotFoundError:
            return Board()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read, alerts begin anew: %s", self._path, error)
            return Board()
        return Board(standings, {name: until_s for name, until_s in muted.items() if until_s > now_s})

    def keep(self, board: Board) -> None:
        """Write down what a restart has to know, where that is something new."""
        firing = sorted(
            [name, subject, standing.acknowledged]
            for (name, subject), standing in board.standings.items()
            if standing.phase is Phase.FIRING
        )
        known = {"firing": firing, "muted": dict(board.muted_until_s)}
        if known == self._kept or (self._kept is None and board == Board()):
            return
        now_s, wall_s = clock.monotonic(), clock.wall()
        left = {name: until_s - now_s for name, until_s in board.muted_until_s.items() if until_s > now_s}
        muted = {name: [round(wall_s + left_s), round(left_s)] for name, left_s in left.items()}
        try:
            files.replace(self._path, json.dumps({"firing": firing, "muted": muted}).encode())
        except OSError as error:
            level = logging.DEBUG if self._refused else logging.WARNING
            self._refused = True
            log.log(level, "alerts cannot be kept in %s: %s", self._path, error.strerror)
        else:
            self._kept, self._refused = known, False
