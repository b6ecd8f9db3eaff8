"""Troubles whose texts others choose: told once, and never more of them remembered than fit."""

import logging

REMEMBERED = 64
"""A peer chooses part of the texts; it must not choose how much is remembered."""


class Complaints:
    """Writes each text to `log` at WARNING the first time and at DEBUG from then on."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[str] = set()

    def tell(self, text: str) -> None:
        """Complain; beyond the texts that are remembered each is told as new."""
        self._log.log(logging.DEBUG if text in self._told else logging.WARNING, "%s", text)
        if len(self._told) < REMEMBERED:
            self._told.add(text)

    def clear(self) -> None:
        """What was wrong is well again: the next complaint is news."""
        self._told.clear()
