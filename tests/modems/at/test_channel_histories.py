"""Whatever a modem does with its answers, none of them reaches the wrong command and no URC is lost."""

import asyncio
import contextlib
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from modems.at.channel import Channel, Priority
from modems.errors import AtError, AtTimeout
from tests import virtual
from tests.modems.fake_port import FakePort

TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Deed:
    """One command's fate: when it is asked, how the modem treats it, whether the asker gives up."""

    pause_s: float
    work_s: float
    lost: bool
    refused: bool
    urcs: int
    give_up_after_s: float | None
    priority: Priority


deeds = st.builds(
    Deed,
    pause_s=st.sampled_from([0.0, 0.0, 0.3, 2.0]),
    work_s=st.sampled_from([0.0, 0.01, 0.5, 0.99, 1.01, 1.5, 4.0]),
    lost=st.sampled_from([False, False, False, True]),
    refused=st.booleans(),
    urcs=st.integers(0, 2),
    give_up_after_s=st.sampled_from([None, None, None, 0.0, 0.005, 0.7]),
    priority=st.sampled_from(list(Priority)),
)


class SerialModem:
    """Works on one command after another, as modems do; all its answers look alike."""

    def __init__(self, history: list[Deed], *, echo: bool) -> None:
        self.urcs_sent = 0
        self._history = history
        self._echo = echo
        self._free_at_s = 0.0

    def react(self, port: FakePort, command: str) -> None:
        now_s = asyncio.get_running_loop().time()
        echo = f"{command}\r" if self._echo else ""
        if command == "AT":
            self._free_at_s = max(self._free_at_s, now_s) + 0.01
            port.say(f"{echo}\r\nOK\r\n", after_s=self._free_at_s - now_s)
            return
        deed = self._history[int(command.removeprefix("AT+Q="))]
        self._free_at_s = max(self._free_at_s, now_s) + deed.work_s
        if deed.lost:
            return
        urcs = "\r\n+CEREG: 2\r\n" * deed.urcs
        self.urcs_sent += deed.urcs
        number = command.partition("=")[2]
        answer = "\r\nERROR\r\n" if deed.refused else f"\r\n+Q: {number}\r\n{urcs}\r\nOK\r\n"
        port.say(f"{echo}{urcs if deed.refused else ''}{answer}", after_s=self._free_at_s - now_s)


async def ask(channel: Channel, number: int, deed: Deed) -> None:
    command = channel.run(f"AT+Q={number}", timeout_s=TIMEOUT_S, prefix="+Q", priority=deed.priority)
    try:
        async with asyncio.timeout(deed.give_up_after_s):
            answer = await command
    except AtError:
        assert deed.refused
    except (AtTimeout, TimeoutError):
        return
    else:
        assert answer == (f"+Q: {number}",)
        assert not deed.refused


@settings(max_examples=300)
@given(history=st.lists(deeds, max_size=12), echo=st.booleans())
def test_every_answer_is_the_commands_own(history: list[Deed], echo: bool) -> None:
    async def run() -> None:
        modem = SerialModem(history, echo=echo)
        port = FakePort(modem.react)
        urcs: list[str] = []
        async with Channel(port, on_urc=urcs.append) as channel:
            asked = []
            for number, deed in enumerate(history):
                await asyncio.sleep(deed.pause_s)
                asked.append(asyncio.create_task(ask(channel, number, deed)))
            await asyncio.gather(*asked)
            # What is still on its way arrives, and then the channel is as good as new.
            await asyncio.sleep(60)
            port.react = lambda port, command: port.say(
                "\r\n+Q: new\r\n\r\nOK\r\n" if command == "AT+NEW" else "\r\nOK\r\n"
            )
            with contextlib.suppress(AtTimeout):
                # An echo that stays away costs one command.
                await channel.run("AT+NEW", timeout_s=TIMEOUT_S, prefix="+Q")
            assert await channel.run("AT+NEW", timeout_s=TIMEOUT_S, prefix="+Q") == ("+Q: new",)
        assert len(urcs) == modem.urcs_sent

    virtual.run(run())
