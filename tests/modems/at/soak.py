"""A long conversation with a modem that does everything wrong that modems do, in virtual time."""

import asyncio
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from modems.at.channel import Channel, Priority
from modems.errors import AtError, AtTimeout
from tests import virtual
from tests.modems.fake_port import FakePort

TIMEOUT_S = 1.0
AT_ONCE = 4  # askers, as the poller, the control socket, the SIM switch and an APDU relay are
NOISE = bytes(range(256)).decode("latin-1").replace("\r", "").replace("\n", "")
URCS = ("+CEREG: 2", '+CREG: 1,"2D0D","1A2B303",7', "+CPIN: READY", "RDY", "+CGEV: NW DETACH")


@dataclass
class Tally:
    """What came of the commands."""

    commands: int = 0
    answered: int = 0
    refused: int = 0
    timed_out: int = 0
    given_up: int = 0
    misattributed: int = 0
    urcs_sent: int = 0
    urcs_heard: int = 0


class FaultyModem:
    """Works on one command after another; each answer names its command, so that a wrong one shows."""

    def __init__(self, chance: random.Random, tally: Tally, *, echo: bool) -> None:
        self._chance = chance
        self._tally = tally
        self._echo = echo
        self._free_at_s = 0.0

    def react(self, port: FakePort, command: str) -> None:
        now_s = asyncio.get_running_loop().time()
        work_s = self._chance.choices((0.001, 0.3, 0.99, 1.5, 4.0), (90, 5, 2, 2, 1))[0]
        if command == "AT":
            work_s = 0.01
        self._free_at_s = max(self._free_at_s, now_s) + work_s
        # What is lost is lost whole: a modem that swallows only its final result is the same to the asker.
        if command != "AT" and self._chance.random() < 0.01:
            return
        for place, piece in enumerate(self._pieces(self._answer(command))):
            # Timers of one and the same moment fire in any order.
            port.say(piece, after_s=self._free_at_s - now_s + place * 1e-5)

    def _answer(self, command: str) -> str:
        echo = f"{command}\r" if self._echo else ""
        if command == "AT":
            return f"{echo}\r\nOK\r\n"
        number = command.rpartition("=")[2]
        bare = command.startswith("AT+BARE")
        lines = [number if bare else f"+Q: {number}"]
        final = self._chance.choices(("OK", "ERROR", "+CME ERROR: 14"), (96, 2, 2))[0]
        if final != "OK":
            lines = []
        lines = [*self._news(), *lines, *self._news(), final]
        text = "".join(f"\r\n{line}\r\n" for line in lines)
        return f"{self._noise()}{echo}{text}{self._noise()}"

    def _news(self) -> list[str]:
        if self._chance.random() > 0.2:
            return []
        found = self._chance.choices(URCS, k=self._chance.choice((1, 1, 2, 30)))
        self._tally.urcs_sent += len(found)
        return found

    def _noise(self) -> str:
        kind = self._chance.random()
        if kind < 0.02:
            return f"\r\n{NOISE}\r\n"
        if kind < 0.03:
            return "\r\n" + "x" * 6000 + "\r\n"
        return "\x00" if kind < 0.06 else ""

    def _pieces(self, text: str) -> list[str]:
        if self._chance.random() < 0.8:
            return [text]
        cuts = sorted(self._chance.randrange(len(text) + 1) for _ in range(4))
        return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def soak(commands: int, seed: int) -> Tally:
    """Ask `commands` questions, half of a modem that echoes and half of one that does not."""
    tally = Tally()
    for echo in (True, False):
        virtual.run(_converse(commands // 2, random.Random(seed + echo), tally, echo=echo))
    return tally


async def _converse(commands: int, chance: random.Random, tally: Tally, *, echo: bool) -> None:
    port = FakePort(FaultyModem(chance, tally, echo=echo).react)

    def hear(line: str) -> None:
        tally.urcs_heard += 1

    async with Channel(port, on_urc=hear) as channel:
        numbers = iter(range(commands))
        await asyncio.gather(*(_ask_on(channel, numbers, chance, tally) for _ in range(AT_ONCE)))
        await asyncio.sleep(60)


async def _ask_on(channel: Channel, numbers: Iterator[int], chance: random.Random, tally: Tally) -> None:
    for number in numbers:
        tally.commands += 1
        bare = chance.random() < 0.3
        give_up_s = chance.uniform(0, 2) if chance.random() < 0.04 else None
        try:
            async with asyncio.timeout(give_up_s):
                lines = await channel.run(
                    f"AT+{'BARE' if bare else 'Q'}={number}",
                    timeout_s=TIMEOUT_S,
                    prefix=None if bare else "+Q",
                    priority=chance.choice(tuple(Priority)),
                )
        except AtError:
            tally.refused += 1
        except AtTimeout:
            tally.timed_out += 1
        except TimeoutError:
            tally.given_up += 1
        else:
            tally.answered += 1
            # Noise may be among the lines of a bare answer; what looks like an answer must be this one's.
            told = [match[1] for line in lines if (match := re.fullmatch(r"(?:\+Q: )?(\d+)", line))]
            tally.misattributed += told != [str(number)]
