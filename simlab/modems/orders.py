"""Commands that change what an emulated modem is at, told apart from questions. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SET_CFUN = re.compile(r"AT\+CFUN=(\d+)(?:,([01]))?", re.IGNORECASE)
_ENTER_PIN = re.compile(r'AT\+CPIN="?(\d{4,8})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SetRadio:
    """AT+CFUN=<level>."""

    level: int


@dataclass(frozen=True, slots=True)
class Restart:
    """AT+CFUN=1,1 or the maker's own word for it."""


@dataclass(frozen=True, slots=True)
class SetSlot:
    """The maker's command for the SIM slot, counted from 1; `restarts` when the modem does on a change."""

    slot: int
    restarts: bool


@dataclass(frozen=True, slots=True)
class EnterPin:
    """AT+CPIN=<pin>."""

    pin: str


Order = SetRadio | Restart | SetSlot | EnterPin


def order(command: str, values: Mapping[str, str]) -> Order | None:
    """Return what `command` orders, None for a question.

    The script's values tell the maker's words: `reset_commands` (with blanks between them), `slot_command`
    such as "AT+GTDUALSIM=", `slot_base` (the number of the first slot) and `slot_restarts`.
    """
    if command.upper() in values.get("reset_commands", "").split():
        return Restart()
    if match := _SET_CFUN.fullmatch(command):
        return Restart() if match[2] == "1" else SetRadio(int(match[1]))
    if match := _ENTER_PIN.fullmatch(command):
        return EnterPin(match[1])
    prefix = values.get("slot_command", "")
    number = command[len(prefix) :]
    if prefix and command.upper().startswith(prefix) and number.isascii() and number.isdigit():
        slot = int(number) + 1 - int(values.get("slot_base", "1"))
        return SetSlot(slot, restarts=values.get("slot_restarts") == "1")
    return None
