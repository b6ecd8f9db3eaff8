"""Short APDUs over T=0, with a card that follows a script and with the software USIM."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.sim.frontends.short_apdu import ShortApdu, execute, parse
from simlab.bank.cards import generate
from simlab.bank.usim import Usim

HEADER = bytes.fromhex("00a40004")


async def run(apdu: str, *exchanges: tuple[str, str]) -> str:
    """The response APDU, where the card has to be asked exactly these TPDUs."""
    left = list(exchanges)

    async def transmit(tpdu: bytes) -> bytes:
        expected, answer = left.pop(0)
        assert tpdu.hex() == expected
        return bytes.fromhex(answer)

    response = await execute(bytes.fromhex(apdu), transmit)
    assert left == []
    return response.hex()


@pytest.mark.parametrize(
    ("apdu", "parsed"),
    [
        ("00a40004", ShortApdu(HEADER, b"", None)),
        ("00a4000410", ShortApdu(HEADER, b"", 16)),
        ("00a4000400", ShortApdu(HEADER, b"", 256)),
        ("00a40004023f00", ShortApdu(HEADER, b"\x3f\x00", None)),
        ("00a40004023f0000", ShortApdu(HEADER, b"\x3f\x00", 256)),
        ("00a40004023f0020", ShortApdu(HEADER, b"\x3f\x00", 32)),
    ],
)
def test_the_cases_of_short_apdus(apdu: str, parsed: ShortApdu) -> None:
    assert parse(bytes.fromhex(apdu)) == parsed


@pytest.mark.parametrize(
    "apdu",
    ["", "00", "00a400", "00a40004033f00", "00a40004023f000000", "00a40004000002", "00a400040000023f00"],
)
async def test_extended_and_malformed_apdus_never_reach_the_card(apdu: str) -> None:
    assert await run(apdu) == "6700"


async def test_a_command_without_data_and_answer_gets_p3_of_zero() -> None:
    assert await run("00040000", ("0004000000", "9000")) == "9000"


async def test_an_application_without_le_hears_what_the_card_said() -> None:
    assert await run("00a40004023f00", ("00a40004023f00", "6120")) == "6120"


async def test_one_with_le_gets_the_whole_answer() -> None:
    answer = ("00c0000003", "0102039000")
    assert await run("00a40004023f0000", ("00a40004023f00", "6103"), answer) == "0102039000"
    gsm = ("a0a40000023f00", "9f03"), ("a0c0000003", "0102039000")
    assert await run("a0a40000023f0000", *gsm) == "0102039000"


async def test_no_more_than_le_is_fetched() -> None:
    exchanges = ("00a40004023f00", "6120"), ("00c0000002", "0102611e")
    assert await run("00a40004023f0002", *exchanges) == "0102611e"


async def test_an_answer_in_parts_is_put_together() -> None:
    exchanges = ("80e2910001aa", "6102"), ("00c0000002", "01026101"), ("00c0000001", "039000")
    assert await run("80e2910001aa00", *exchanges) == "0102039000"


async def test_more_is_fetched_on_the_command_s_own_channel() -> None:
    assert await run("81cb008001a000", ("81cb008001a0", "6101"), ("01c0000001", "079000")) == "079000"


async def test_the_right_length_is_asked_for_when_it_fits() -> None:
    assert await run("00b0000000", ("00b0000000", "6c02"), ("00b0000002", "01029000")) == "01029000"
    assert await run("00b000000a", ("00b000000a", "6c02"), ("00b0000002", "01029000")) == "01029000"
    assert await run("00b2010401", ("00b2010401", "6c1c")) == "6c1c"


async def test_a_warning_keeps_its_word_and_brings_its_data() -> None:
    exchanges = ("00a40004023f00", "6283"), ("00c0000000", "6c02"), ("00c0000002", "01029000")
    assert await run("00a40004023f0000", *exchanges) == "01026283"


async def test_an_error_while_fetching_is_the_answer() -> None:
    assert await run("00a40004023f0000", ("00a40004023f00", "6103"), ("00c0000003", "6f00")) == "6f00"


@given(apdu=st.binary(max_size=262))
async def test_any_octets_get_an_answer_of_at_most_256_octets(apdu: bytes) -> None:
    usim = Usim(generate(1, seed=3)[0])

    async def transmit(tpdu: bytes) -> bytes:
        assert 5 <= len(tpdu) <= 260
        return usim.transmit(tpdu)

    assert 2 <= len(await execute(apdu, transmit)) <= 258
