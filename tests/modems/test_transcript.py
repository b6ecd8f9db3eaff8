"""Conversations as text: read and played back."""

import pytest

from modems import transcript
from modems.at.channel import Channel
from modems.errors import AtError, ParseError
from modems.transcript import Exchange, ReplayPort
from tests import virtual

TEXT = """
# A modem with a failing card.
= imei 867698041234567
> AT+CGSN
< {imei}
< OK
> AT+COPS=3,*
< OK

[no-sim]
! +CPIN: NOT READY
> AT+CPIN?
< +CME ERROR: 10
"""


def test_reading() -> None:
    found = transcript.parse(TEXT)
    assert found.values == {"imei": "867698041234567"}
    assert found.section("").exchanges == (
        Exchange("AT+CGSN", ("{imei}", "OK")),
        Exchange("AT+COPS=3,*", ("OK",)),
    )
    assert found.section("no-sim").urcs == ("+CPIN: NOT READY",)
    assert found.section("nowhere").exchanges == ()


def test_only_the_star_is_a_wildcard() -> None:
    section = transcript.parse("> AT+QUIMSLOT=?\n< (1,2)\n> AT+X=*\n< OK\n").section("")
    assert section.find("at+quimslot=?")
    assert not section.find("AT+QUIMSLOT=2")
    assert section.find("AT+X=anything,else")


@pytest.mark.parametrize("text", ["< OK", "> ", "hello", "= name", "!", "[open\n"])
def test_a_line_of_no_known_kind_is_named(text: str) -> None:
    with pytest.raises(ParseError, match="line 2"):
        transcript.parse("# head\n" + text)


def test_playing_back_in_the_recorded_order() -> None:
    async def run() -> None:
        text = "> AT+CSQ\n< +CSQ: 1,99\n< OK\n> AT+CSQ\n< +CSQ: 2,99\n< OK\n"
        port = ReplayPort(transcript.parse(text))
        async with Channel(port) as channel:
            answers = [await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ") for _ in range(3)]
            assert answers == [("+CSQ: 1,99",), ("+CSQ: 2,99",), ("+CSQ: 2,99",)]
            with pytest.raises(AtError):
                await channel.run("AT+UNKNOWN", timeout_s=1)
        assert port.sent == ["AT+CSQ"] * 3 + ["AT+UNKNOWN"]

    virtual.run(run())
