"""The liberties real modems take with TS 27.007."""

from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import Channel
from modems.drivers.generic import GenericDriver
from modems.errors import AtError
from modems.facts import Identity, Registration, RegistrationState, Signal, Sim, SimState, Technology
from tests import virtual
from tests.modems.fake_port import FakePort, answering

IDENTITY = {
    "AT+CGMI": "Maker|OK",
    "AT+CGMM": "+QIND: SMS DONE|Model 1|OK",
    "AT+CGSN": "354174400124199|OK",
}
REGISTERED = {"AT+CEREG?": '+CEREG: 2,1,"2D0D","1A2B303",7|OK', "AT+COPS=3,0": "OK", "AT+COPS=3,2": "OK"}


def ask(answers: dict[str, str], story: Callable[[GenericDriver], Awaitable[None]]) -> list[str]:
    """Run `story` against a modem that knows `answers`, and return what was sent to it."""
    port = FakePort(answering(answers))

    async def run() -> None:
        async with Channel(port) as channel:
            await story(GenericDriver(channel))

    virtual.run(run())
    return port.written


def test_what_the_modem_does_not_say_of_itself_is_unknown() -> None:
    async def story(modem: GenericDriver) -> None:
        assert await modem.identity() == Identity("Maker", "Model 1", None, "354174400124199")

    ask(IDENTITY, story)


@pytest.mark.parametrize(
    ("answers", "sim"),
    [
        (
            {"AT+CPIN?": "+CPIN: SIM PIN|OK", "AT+ICCID": "+ICCID: 8986011234567890123|OK"},
            (SimState.PIN, True),
        ),
        ({"AT+CPIN?": "+CME ERROR: 11", "AT+CCID": "8986011234567890123F|OK"}, (SimState.PIN, True)),
        ({"AT+CPIN?": "+CME ERROR: SIM failure"}, (SimState.FAILURE, False)),
        ({"AT+CPIN?": "+CME ERROR: 14"}, (SimState.BUSY, False)),
        ({"AT+CPIN?": "+CPIN: EMPTY_EUICC|OK"}, (SimState.ABSENT, False)),
        # The card was pulled while the answer was on its way: the later line counts.
        ({"AT+CPIN?": "+CPIN: READY|+CPIN: NOT READY|OK"}, (SimState.ABSENT, False)),
    ],
)
def test_sim_states(answers: dict[str, str], sim: tuple[SimState, bool]) -> None:
    async def story(modem: GenericDriver) -> None:
        state, has_iccid = sim
        assert await modem.sim() == Sim(state, "8986011234567890123" if has_iccid else None)

    ask(answers, story)


def test_an_error_that_is_not_about_the_card_is_an_error() -> None:
    async def story(modem: GenericDriver) -> None:
        with pytest.raises(AtError, match="operation not allowed"):
            await modem.sim()

    ask({"AT+CPIN?": "+CME ERROR: 3"}, story)


def test_card_numbers_are_read_from_the_files_where_the_modem_has_no_words_for_them() -> None:
    async def story(modem: GenericDriver) -> None:
        assert await modem.sim() == Sim(SimState.READY, "8939010000000000017", "222101023456789")

    sent = ask(
        {
            "AT+CPIN?": "+CPIN: READY|OK",
            "AT+CRSM=176,12258,0,0,10": '+CRSM: 144,0,"989310000000000010F7"|OK',
            "AT+CRSM=176,28423,0,0,9": '+CRSM: 144,0,"082922010132547698"|OK',
        },
        story,
    )
    assert sent[:3] == ["AT+CPIN?", "AT+CCID", "AT+ICCID"]


def test_the_network_name_is_asked_for_once_and_the_plmn_form_restored() -> None:
    form = "2"

    def react(port: FakePort, command: str) -> None:
        nonlocal form
        form = command[-1] if command.startswith("AT+COPS=3,") else form
        network = "22201" if form == "2" else "I TIM"
        answering({**REGISTERED, "AT+COPS?": f'+COPS: 0,{form},"{network}",7|OK'})(port, command)

    port = FakePort(react)

    async def run() -> None:
        async with Channel(port) as channel:
            modem = GenericDriver(channel)
            for _ in range(3):
                assert await modem.registration() == Registration(
                    RegistrationState.HOME, Technology.LTE, "I TIM", "22201"
                )

    virtual.run(run())
    assert form == "2"
    assert port.written.count("AT+COPS=3,0") == port.written.count("AT+COPS=3,2") == 1


def test_a_modem_that_prints_names_only_has_no_plmn() -> None:
    async def story(modem: GenericDriver) -> None:
        assert await modem.registration() == Registration(
            RegistrationState.HOME, Technology.LTE, "I TIM", None
        )

    ask({**REGISTERED, "AT+COPS?": '+COPS: 0,0,"I TIM",7|OK'}, story)


def test_a_refused_question_is_not_asked_again_until_the_next_setup() -> None:
    async def story(modem: GenericDriver) -> None:
        for _ in range(3):
            assert await modem.signals() == (Signal(rssi_dbm=-73),)
        await modem.setup()
        await modem.signals()

    sent = ask({"AT+CSQ": "+CSQ: 20,99|OK"}, story)
    assert sent.count("AT+CESQ") == 2
    assert sent.count("AT+CSQ") == 4


def test_a_question_refused_for_the_moment_is_asked_again() -> None:
    async def story(modem: GenericDriver) -> None:
        for _ in range(2):
            await modem.signals()

    sent = ask({"AT+CESQ": "+CME ERROR: 14", "AT+CSQ": "+CSQ: 20,99|OK"}, story)
    assert sent.count("AT+CESQ") == 2


def test_the_older_registration_is_used_where_the_newer_is_unknown() -> None:
    async def story(modem: GenericDriver) -> None:
        assert await modem.registration() == Registration(RegistrationState.SEARCHING)

    ask({"AT+CREG?": "+CREG: 0,2|OK"}, story)
