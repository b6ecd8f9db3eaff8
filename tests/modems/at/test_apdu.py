"""APDUs to the card in the modem, and channels of the card that are closed whatever happens."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modems.at import apdu
from modems.at.apdu import LogicalChannel, Response, bcd_digits, imsi_digits
from modems.at.channel import Channel
from modems.errors import AtError, AtTimeout, ModemError, ParseError
from tests import virtual
from tests.modems.fake_port import FakePort, answering

ISD_R = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
OPEN = 'AT+CCHO="A0000005591010FFFFFFFF8900000100"'
STATUS = bytes.fromhex("80F2000C00")


def converse(port: FakePort, story: Callable[[Channel], Awaitable[None]]) -> list[str]:
    async def run() -> None:
        async with Channel(port) as channel:
            await story(channel)

    virtual.run(run())
    return port.written


def test_an_apdu_goes_out_as_hex_and_comes_back_with_its_status_word() -> None:
    async def story(channel: Channel) -> None:
        answer = await apdu.transmit(channel, bytes.fromhex("0070000001"))
        assert (answer.data, answer.sw, answer.ok) == (b"\x01", 0x9000, True)

    sent = converse(FakePort(answering({'AT+CSIM=10,"0070000001"': '+CSIM: 6,"019000"|OK'})), story)
    assert sent == ['AT+CSIM=10,"0070000001"']


def test_what_the_card_says_is_in_no_repr_and_no_error() -> None:
    assert b"SECRET".hex() not in repr(Response(b"SECRET", 0x9000))

    async def story(channel: Channel) -> None:
        with pytest.raises(AtError) as refused:
            await apdu.transmit(channel, bytes.fromhex("00880081022011"))
        assert "2011" not in str(refused.value) + repr(refused.value)

    converse(FakePort(answering({})), story)


@pytest.mark.parametrize(
    "answer", ['+CRSM: 144,0,"981032547698103254F6"', "+CRSM: 144,0,981032547698103254F6"]
)
def test_a_file_is_read_with_or_without_quotes(answer: str) -> None:
    async def story(channel: Channel) -> None:
        found = await apdu.read_file(channel, apdu.EF_ICCID, 10)
        assert bcd_digits(found.data) == "8901234567890123456"

    converse(FakePort(answering({"AT+CRSM=176,12258,0,0,10": f"{answer}|OK"})), story)


def test_a_file_that_the_card_does_not_have_is_a_status_word() -> None:
    async def story(channel: Channel) -> None:
        found = await apdu.read_file(channel, apdu.EF_IMSI, 9)
        assert (found.data, found.sw, found.ok) == (b"", 0x6A82, False)

    converse(FakePort(answering({"AT+CRSM=176,28423,0,0,9": "+CRSM: 106,130|OK"})), story)


def test_the_imsi_has_its_length_in_front_and_its_parity_in_the_first_nibble() -> None:
    assert imsi_digits(bytes.fromhex("082922010132547698")) == "222101023456789"
    assert imsi_digits(b"") == ""


@pytest.mark.parametrize("answer", ["1", "+CCHO: 1", "+CCHO:1"])
def test_a_channel_is_closed_at_the_end(answer: str) -> None:
    async def story(channel: Channel) -> None:
        async with LogicalChannel(channel, ISD_R) as card:
            assert await card.transmit(STATUS) == Response(b"\x62\x00", 0x9000)

    answers = {OPEN: f"{answer}|OK", 'AT+CGLA=1,10,"80F2000C00"': '+CGLA: 8,"62009000"|OK', "AT+CCHC=1": "OK"}
    assert converse(FakePort(answering(answers)), story)[-1] == "AT+CCHC=1"


def test_a_channel_is_closed_after_a_failure() -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(ParseError):
            async with LogicalChannel(channel, ISD_R) as card:
                await card.transmit(STATUS)

    answers = {OPEN: "2|OK", 'AT+CGLA=2,10,"80F2000C00"': "OK", "AT+CCHC=2": "OK"}
    assert converse(FakePort(answering(answers)), story)[-1] == "AT+CCHC=2"


@pytest.mark.parametrize("after_s", [0.01, 1.5, 2.5])
def test_a_channel_is_closed_when_its_user_is_cancelled_at_any_moment(after_s: float) -> None:
    """While it is being opened, while it is used, and while it is being closed."""

    def react(port: FakePort, command: str) -> None:
        answer = {OPEN: "\r\n1\r\n\r\nOK\r\n", "AT+CCHC=1": "\r\nOK\r\n"}.get(command, "")
        port.say(answer, after_s=1.0)

    async def use(channel: Channel) -> None:
        async with LogicalChannel(channel, ISD_R):
            await asyncio.sleep(1.0)

    async def story(channel: Channel) -> None:
        user = asyncio.create_task(use(channel))
        await asyncio.sleep(after_s)
        user.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user

    sent = converse(FakePort(react), story)
    assert sent == [OPEN, "AT+CCHC=1"]


def test_a_modem_that_refuses_or_says_nothing_leaves_nothing_to_close() -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(AtError):
            async with LogicalChannel(channel, ISD_R):
                pytest.fail("no channel was opened")
        port.react = None
        with pytest.raises(AtTimeout):
            async with LogicalChannel(channel, ISD_R):
                pytest.fail("no channel was opened")

    port = FakePort(answering({OPEN: "+CME ERROR: 22"}))
    assert converse(port, story) == [OPEN, OPEN]


@pytest.mark.parametrize("apdu_bytes", [b"", b"\x00" * 3, b"\x00" * 262])
def test_what_is_no_short_apdu_is_refused_unsent(apdu_bytes: bytes) -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(ValueError, match="4 to 261"):
            await apdu.transmit(channel, apdu_bytes)

    assert converse(FakePort(), story) == []


@given(st.text(alphabet='+CSIMRGLACHO:0123456789,"ABCF \xff', max_size=40))
def test_whatever_the_modem_answers_only_our_errors_come(line: str) -> None:
    async def story(channel: Channel) -> None:
        with contextlib.suppress(ModemError):
            await apdu.transmit(channel, STATUS)
        with contextlib.suppress(ModemError):
            await apdu.read_file(channel, apdu.EF_IMSI, 9)
        with contextlib.suppress(ModemError):
            async with LogicalChannel(channel, ISD_R) as card:
                await card.transmit(STATUS)

    converse(FakePort(lambda port, _: port.say(f"\r\n{line}\r\n\r\nOK\r\n")), story)
