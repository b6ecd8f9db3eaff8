"""The AT interpreter of an emulated modem: a script, the modes that commands set, and the answers."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from modems.at.cme import CME_NAMES
from modems.transcript import Section, Transcript, fill, parse

SCRIPTS = Path(__file__).parent / "scripts"

_MODE = re.compile(r"AT\+([A-Z0-9]+)=(\d+)(?:,.*)?", re.IGNORECASE)
_OPERATOR_FORMAT = re.compile(r"AT\+COPS=3,([012])", re.IGNORECASE)
_ECHO = re.compile(r"ATE([01]?)", re.IGNORECASE)
_CME = re.compile(r"\+CME ERROR: (\d+)")

# Which mode has to be on before the modem sends a line by itself.
_URC_MODES = {
    "+CREG": "creg",
    "+CEREG": "cereg",
    "+C5GREG": "c5greg",
    "+QSIMSTAT": "qsimstat",
    "+CGEV": "cgerep",
}


def load_script(name: str) -> Transcript:
    """Return the script called `name`, such as "quectel-rm500q"; raises FileNotFoundError.

    A script whose value `base` names another one answers with that one's exchanges where it has none itself.
    """
    script = parse((SCRIPTS / f"{name}.txt").read_text(encoding="ascii"))
    base = script.values.get("base")
    return script if base is None else _upon(load_script(base), script)


def _upon(base: Transcript, script: Transcript) -> Transcript:
    sections = dict(base.sections)
    for name, own in script.sections.items():
        below = base.section(name)
        sections[name] = Section(exchanges=(*own.exchanges, *below.exchanges), urcs=own.urcs or below.urcs)
    return Transcript(values={**base.values, **script.values}, sections=sections)


class Interpreter:
    """Answers commands from `script`, whose values `values` override.

    A command that sets a mode (AT+CEREG=2) is accepted when the script has a value of that name.
    """

    def __init__(self, script: Transcript, values: Mapping[str, str]) -> None:
        self.script = script
        self.echo = True
        self.values: dict[str, str] = {}
        self._initial = {**script.values, **values}
        self.power_on()

    def power_on(self) -> None:
        """Forget every mode that was set."""
        self.echo = True
        self.values = dict(self._initial)

    def answer(self, command: str, sections: Sequence[str]) -> list[str]:
        """Return the answer's lines, final result last; the first of `sections` that knows it decides.

        `AT+A;+B` is answered as AT+A and AT+B with one final result (V.250 5.4.3).
        """
        lines: list[str] = []
        for part in _parts(command):
            *information, final = self._answer_one(part, sections)
            lines += information
            if final != "OK":
                return [*lines, final]
        return [*lines, "OK"]

    def urcs(self, section: str) -> list[str]:
        """Return what the modem says by itself on entering `section`."""
        said = (self.urc(line) for line in self.script.section(section).urcs)
        return [line for line in said if line is not None]

    def urc(self, line: str) -> str | None:
        """Return `line` as the present modes have it, or None when they are off."""
        name = line.partition(":")[0].strip()
        mode = self.values.get(_URC_MODES.get(name, ""), "1")
        if mode == "0":
            return None
        filled = fill(line, self.values)
        # Mode 1 tells the state alone, mode 2 the cell as well (TS 27.007 10.1.22).
        return filled.partition(",")[0] if name.endswith("REG") and mode == "1" else filled

    def _answer_one(self, command: str, sections: Sequence[str]) -> list[str]:
        for name in sections:
            if found := self.script.section(name).find(command):
                return [self._shape(line) for line in found[0].answer]
        if command.upper() == "AT" or self._set(command):
            return ["OK"]
        return ["ERROR"]

    def _set(self, command: str) -> bool:
        if match := _ECHO.fullmatch(command):
            self.echo = match[1] == "1"
            return True
        if match := _OPERATOR_FORMAT.fullmatch(command):
            self.values["cops"] = match[1]
            return True
        if (match := _MODE.fullmatch(command)) and match[1].lower() in self.script.values:
            self.values[match[1].lower()] = match[2]
            return True
        return False

    def _shape(self, line: str) -> str:
        if match := _CME.fullmatch(line):
            return self._cme(int(match[1]))
        form = self.values.get("cops", "0")
        plmn = self.values.get("mcc", "") + self.values.get("mnc", "")
        operator = plmn if form == "2" else self.values.get(f"operator_{form}", "")
        return fill(line, {**self.values, "operator": operator})

    def _cme(self, code: int) -> str:
        """AT+CMEE chooses between ERROR, the number and the words (TS 27.007 9.1)."""
        mode = self.values.get("cmee", "1")
        if mode == "0":
            return "ERROR"
        return f"+CME ERROR: {code if mode == '1' else CME_NAMES.get(code, 'unknown')}"


def _parts(command: str) -> list[str]:
    """Split a concatenated command at the semicolons outside quotes."""
    pieces = re.findall(r'(?:"[^"]*"?|[^;"])+', command) or [command]
    first, *others = (piece.strip() for piece in pieces)
    return [first, *(piece if piece.upper().startswith("AT") else f"AT{piece}" for piece in others)]
