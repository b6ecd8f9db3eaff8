"""What the board's GPIO pins did, as the emulator that is the board wrote it down."""

import re
from pathlib import Path

LOG = Path("/results/pins.log")
_CHANGE = re.compile(r"setting output (\d) to ([01])$", re.MULTILINE)


class Pins:
    """The changes since this was made: no pulse is too short to be among them."""

    def __init__(self) -> None:
        self._seen = len(LOG.read_text())

    def changes(self, offset: int) -> list[bool]:
        """The values that a pin took, one after another."""
        found = _CHANGE.findall(LOG.read_text()[self._seen :])
        return [level == "1" for pin, level in found if int(pin) == offset]
