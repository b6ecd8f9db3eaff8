"""Field recordings: what a modem was asked and answered, as JSON, and the facts in it without the modem.

    [{"command": "AT+CSQ", "response": "+CSQ: 20,99\\nOK"}, ...]

A response is the lines of the answer with its final result. Recordings typed in by hand may have CR LF, an
echo in front, or no OK at the end; a chained command (AT+GTCCINFO?;+GTCAINFO?) stands for each of its parts.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from modems.at.channel import Channel, Exchanged
from modems.at.parse import final_result
from modems.catalog import MODELS, driver_for, driver_for_identity
from modems.driver import Driver
from modems.drivers.generic import GenericDriver
from modems.errors import ParseError
from modems.report import Value
from modems.survey import survey
from modems.transcript import Exchange, ReplayPort, Section, Transcript

# IMEI, IMSI and ICCID; nothing else a modem prints has so many digits in a row.
_IDENTIFIER = re.compile(r"(?<![0-9A-Fa-f])(\d{14,20})F?(?![0-9A-Fa-f])")
_IDENTIFYING = frozenset({"ATI", "AT+CGMI", "AT+CGMM", "AT+GMI", "AT+GMM"})
_IMEI_DIGITS = frozenset({14, 16})
_KEPT_IMEI, _KEPT = 8, 5  # the type allocation code; the issuer of an ICCID or the network of an IMSI


@dataclass(frozen=True, slots=True)
class Recording:
    """The exchanges of one session, in their order."""

    exchanges: tuple[Exchange, ...]

    @classmethod
    def of(cls, exchanged: Iterable[Exchanged]) -> "Recording":
        """Return what `Channel.on_exchange` told."""
        return cls(tuple(Exchange(each.command, (*each.lines, each.final)) for each in exchanged))

    @classmethod
    def from_json(cls, text: str) -> "Recording":
        """Read a recording; raises ParseError that says which entry is wrong."""
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ParseError("recording", f"not JSON: {error}") from error
        if not isinstance(document, list):
            raise ParseError("recording", "not a list of exchanges")
        return cls(tuple(_exchange(number, entry) for number, entry in enumerate(document, start=1)))

    def to_json(self) -> str:
        """Return the recording as the file has it, one exchange a line."""
        return "[\n" + ",\n".join(json.dumps(entry) for entry in self.entries()) + "\n]\n"

    def entries(self) -> list[dict[str, str]]:
        """Return what the file's list holds."""
        return [{"command": each.command, "response": "\n".join(each.answer)} for each in self.exchanges]

    def masked(self) -> "Recording":
        """Return a recording fit to hand on: of IMEI, IMSI and ICCID only maker and issuer stay."""
        return Recording(
            tuple(
                Exchange(each.command, tuple(_masked(each.command, line) for line in each.answer))
                for each in self.exchanges
            )
        )

    def identification(self) -> str:
        """Return everything that was answered to "who are you", for `driver_for_identity`."""
        asked = (each for each in self.exchanges if each.command.upper().rstrip("?") in _IDENTIFYING)
        return " ".join(line for each in asked for line in each.answer)

    def transcript(self) -> Transcript:
        """Return what a ReplayPort plays."""
        known = {each.command.upper() for each in self.exchanges}
        parts = [
            Exchange(part, each.answer)
            for each in self.exchanges
            for part in _parts(each.command)
            if part.upper() not in known
        ]
        return Transcript(values={}, sections={"": Section(exchanges=(*self.exchanges, *parts))})


async def replay(
    recording: Recording, *, driver: str | None = None, model: str | None = None
) -> dict[str, Value]:
    """Return the flat report that a modem with these answers gives; what was not recorded answers ERROR.

    `driver` is a driver's name, `model` what a known model calls itself, such as "EM9191"; without either the
    recorded identity decides. Raises ValueError for names that nobody knows.
    """
    if driver is not None:
        chosen = driver_for(driver)
    elif model is not None:
        chosen = _driver_for_model(model)
    else:
        chosen = driver_for_identity(None, recording.identification())
    async with Channel(ReplayPort(recording.transcript())) as channel:
        return await survey(chosen(channel))


def _driver_for_model(model: str) -> type[Driver]:
    found = driver_for_identity(None, model)
    if found is GenericDriver and model.lower() != GenericDriver.name:
        known = ", ".join(sorted({row.name for row in MODELS}))
        raise ValueError(f"no model {model!r}: there are {known} and {GenericDriver.name}")
    return found


def _exchange(number: int, entry: object) -> Exchange:
    match entry:
        case {"command": str(command), "response": str(response)}:
            lines = response.splitlines()
        case {"command": str(command), "response": list(response)} if all(
            isinstance(x, str) for x in response
        ):
            lines = [line for text in response for line in text.splitlines()]
        case _:
            raise ParseError("recording", f"entry {number} has no command and response")
    command = command.strip()
    answer = [line.strip() for line in lines if line.strip() and line.strip().upper() != command.upper()]
    if not answer or final_result(answer[-1]) is None:
        answer.append("OK")
    return Exchange(command, tuple(answer))


def _parts(command: str) -> list[str]:
    first, *others = re.findall(r'(?:"[^"]*"?|[^;"])+', command) or [command]
    if not others:
        return []
    return [first, *(part if part.upper().startswith("AT") else f"AT{part}" for part in others)]


def _masked(command: str, line: str) -> str:
    def hide(match: re.Match[str]) -> str:
        digits = match[1]
        imei = "GSN" in command.upper() or len(digits) in _IMEI_DIGITS
        kept = _KEPT_IMEI if imei else _KEPT
        return digits[:kept] + "0" * (len(digits) - kept)

    return _IDENTIFIER.sub(hide, line)
