"""What the Fibocom driver does differently: two dialects, slots that restart the modem, its own card news."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import Channel
from modems.drivers.fibocom import FibocomDriver
from modems.errors import NotApplied
from modems.facts import Fact, Sim, SimState
from tests import virtual
from tests.modems.fake_port import FakePort, answering


def ask(port: FakePort, story: Callable[[FibocomDriver], Awaitable[None]]) -> list[str]:
    """Run `story` against the modem behind `port`, and return what was sent to it."""

    async def run() -> None:
        async with Channel(port) as channel:
            await story(FibocomDriver(channel))

    virtual.run(run())
    return port.written


def test_the_other_dialect_is_not_tried_again() -> None:
    async def story(modem: FibocomDriver) -> None:
        for _ in range(3):
            assert (await modem.signal()).rsrp_dbm == -107

    sent = ask(FakePort(answering({"AT+XCESQ?": "+XCESQ: 0,99,99,255,255,10,34,16|OK"})), story)
    assert (sent.count("AT+GTCCINFO?"), sent.count("AT+XMCI=1"), sent.count("AT+XCESQ?")) == (1, 1, 3)


def test_a_slot_change_that_restarts_the_modem_is_done() -> None:
    def react(port: FakePort, command: str) -> None:
        if command == "AT+GTDUALSIM?":
            port.say('\r\n+GTDUALSIM : 0, "SUB1", "L"\r\n\r\nOK\r\n')
        else:
            asyncio.get_running_loop().call_later(0.1, port.vanish)

    sent = ask(FakePort(react), lambda modem: modem.set_sim_slot(2))
    assert sent[-1] == "AT+GTDUALSIM=1"


def test_a_slot_change_that_the_modem_only_says_yes_to_is_told() -> None:
    async def story(modem: FibocomDriver) -> None:
        with pytest.raises(NotApplied, match="accepted as 2 and reads back as 1"):
            await modem.set_sim_slot(2)

    answers = {"AT+GTDUALSIM?": '+GTDUALSIM : 0, "SUB1", "L"|OK', "AT+GTDUALSIM=1": "OK"}
    ask(FakePort(answering(answers)), story)


@pytest.mark.parametrize(("number", "mode"), [(29, "mbim"), (40, "rndis"), (41, "rndis"), (17, "mode 17")])
def test_the_usb_mode_has_a_name(number: int, mode: str) -> None:
    async def story(modem: FibocomDriver) -> None:
        assert await modem.usb_mode() == mode

    ask(FakePort(answering({"AT+GTUSBMODE?": f"+GTUSBMODE: {number}|OK"})), story)


def test_the_reset_that_a_model_refuses_is_followed_by_the_next() -> None:
    sent = ask(FakePort(answering({"AT+CFUN=16": "OK"})), lambda modem: modem.reset())
    assert sent == ["AT+CFUN=15", "AT+CFUN=16"]


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("+SIM: Inserted", Sim(SimState.UNKNOWN)),
        ("+SIM: Removed", Sim(SimState.ABSENT)),
        ("+SIM DROP", Sim(SimState.ABSENT)),
        ("+SIM READY", Sim(SimState.UNKNOWN)),
        ("+MSMPD: 1", Sim(SimState.UNKNOWN)),
        ('+GTDUALSIM: 1,"SUB2","No Service"', Sim(SimState.UNKNOWN)),
    ],
)
def test_card_news_is_heard_in_the_middle_of_an_answer(line: str, fact: Fact) -> None:
    heard: list[str] = []

    def react(port: FakePort, command: str) -> None:
        port.say(f"\r\n{line}\r\n\r\n354174400124199\r\n\r\nOK\r\n")

    async def story(modem: FibocomDriver) -> None:
        await modem.setup()
        heard.clear()
        modem.channel.on_urc = heard.append
        assert await modem.channel.run("AT+CGSN", timeout_s=1) == ("354174400124199",)
        assert [modem.on_urc(each) for each in heard] == [fact]

    ask(FakePort(react), story)
