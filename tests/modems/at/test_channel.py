"""The conversation in virtual time: answers, URCs, late output, queueing, a vanishing modem."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from modems.at.channel import RESYNC_QUIET_S, Channel, Priority
from modems.errors import AtError, AtTimeout, PortGone
from tests import virtual
from tests.modems.fake_port import FakePort, answering

CSQ = {"AT+CSQ": "+CSQ: 20,99|OK", "AT+CGSN": "867698041234567|OK"}


def converse(port: FakePort, story: Callable[[Channel], Awaitable[None]]) -> list[str]:
    """Run `story` on a channel over `port` and return the URCs it dispatched."""
    urcs: list[str] = []

    async def run() -> None:
        async with Channel(port, on_urc=urcs.append) as channel:
            await story(channel)

    virtual.run(run())
    return urcs


@pytest.mark.parametrize("echo", [False, True])
def test_information_lines_come_back_without_echo_and_final_result(echo: bool) -> None:
    async def story(channel: Channel) -> None:
        for _ in range(3):
            assert await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ") == ("+CSQ: 20,99",)
        assert await channel.run("AT+CGSN", timeout_s=1) == ("867698041234567",)
        assert channel.counters.commands == 4
        assert channel.counters.discarded == 0

    converse(FakePort(answering(CSQ, echo=echo)), story)


def test_echo_may_be_switched_off_in_between() -> None:
    def react(port: FakePort, command: str) -> None:
        port.say(f"{command}\r\r\nOK\r\n" if command == "ATE0" or len(port.written) < 3 else "\r\nOK\r\n")

    async def story(channel: Channel) -> None:
        for command in ("AT+CFUN=1", "ATE0", "AT+CFUN=1", "AT+CFUN=1"):
            assert await channel.run(command, timeout_s=1) == ()
        assert channel.counters.timeouts == 0

    converse(FakePort(react), story)


def test_a_refusal_carries_number_and_name_and_hides_the_pin() -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(AtError, match="SIM not inserted") as refused:
            await channel.run("AT+CPIN?", timeout_s=1, prefix="+CPIN")
        assert (refused.value.command, refused.value.code) == ("AT+CPIN?", 10)
        assert refused.value.line == "+CME ERROR: 10"
        with pytest.raises(AtError) as refused:
            await channel.run('AT+CPIN="1234"', timeout_s=1)
        assert "1234" not in str(refused.value) + repr(refused.value)

    converse(FakePort(answering({"AT+CPIN?": "+CME ERROR: 10"})), story)


def test_urcs_before_inside_and_after_an_answer_reach_their_receiver() -> None:
    def react(port: FakePort, command: str) -> None:
        port.say("\r\n+CEREG: 2\r\n\r\n+CSQ: 20,99\r\n\r\n+CPIN: NOT READY\r\n\r\nOK\r\n\r\n+CEREG: 0\r\n")

    async def story(channel: Channel) -> None:
        port.say_now("\r\nRDY\r\n")
        assert await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ") == ("+CSQ: 20,99",)
        assert channel.counters.urcs == 4

    port = FakePort(react)
    assert converse(port, story) == ["RDY", "+CEREG: 2", "+CPIN: NOT READY", "+CEREG: 0"]


def test_nonsense_between_commands_is_counted_and_ignored() -> None:
    async def story(channel: Channel) -> None:
        port.say_now("\r\nOK\r\nwhatever\r\n" + "x" * 10_000 + "\r\n")
        assert await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ") == ("+CSQ: 20,99",)
        assert channel.counters.discarded == 3

    port = FakePort(answering(CSQ))
    converse(port, story)


@pytest.mark.parametrize("late_s", [1.5, 3.0, 30.0])
@pytest.mark.parametrize("echo", [False, True])
def test_a_late_answer_is_never_taken_for_the_next_ones(late_s: float, echo: bool) -> None:
    """The modem answers one command after another, the first one too late."""
    busy_until = 0.0

    def react(port: FakePort, command: str) -> None:
        nonlocal busy_until
        now = asyncio.get_running_loop().time()
        busy_until = max(busy_until, now) + (late_s if command == "AT+COPS=?" else 0.01)
        text = {"AT+COPS=?": "late\r\n\r\nOK", "AT+CGSN": "867698041234567\r\n\r\nOK"}.get(command, "OK")
        port.say((f"{command}\r" if echo else "") + f"\r\n{text}\r\n", after_s=busy_until - now)

    async def story(channel: Channel) -> None:
        if echo:
            await channel.run("AT", timeout_s=1)
        with pytest.raises(AtTimeout, match=r"AT\+COPS=\?"):
            await channel.run("AT+COPS=?", timeout_s=1)
        answered = None
        for _ in range(40):
            try:
                answered = await channel.run("AT+CGSN", timeout_s=1)
                break
            except AtTimeout:
                continue
        assert answered == ("867698041234567",)

    converse(FakePort(react), story)


def test_a_lost_command_costs_one_probe_and_a_moment_of_quiet() -> None:
    def react(port: FakePort, command: str) -> None:
        if command != "AT+LOST":
            answering(CSQ)(port, command)

    async def story(channel: Channel) -> None:
        with pytest.raises(AtTimeout):
            await channel.run("AT+LOST", timeout_s=1)
        begin = asyncio.get_running_loop().time()
        assert await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ") == ("+CSQ: 20,99",)
        assert asyncio.get_running_loop().time() - begin == pytest.approx(RESYNC_QUIET_S)
        await channel.run("AT+CSQ", timeout_s=1, prefix="+CSQ")
        assert port.written == ["AT+LOST", "AT", "AT+CSQ", "AT+CSQ"]

    port = FakePort(react)
    converse(port, story)


def test_a_cancelled_command_leaves_nothing_behind_for_the_next() -> None:
    def react(port: FakePort, command: str) -> None:
        port.say(
            "\r\nsecret of the first\r\n\r\nOK\r\n" if command == "AT+ONE" else "\r\nOK\r\n", after_s=0.1
        )

    async def story(channel: Channel) -> None:
        task = asyncio.create_task(channel.run("AT+ONE", timeout_s=5))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await channel.run("AT+TWO", timeout_s=1) == ()

    converse(FakePort(react), story)


def test_a_modem_that_never_stops_talking_does_not_hold_the_channel() -> None:
    def chatter(port: FakePort) -> None:
        port.say_now("\r\n+NOISE: 1\r\n")
        asyncio.get_running_loop().call_later(0.001, chatter, port)

    async def story(channel: Channel) -> None:
        chatter(port)
        with pytest.raises(AtTimeout):
            await channel.run("AT+CGSN", timeout_s=5)
        assert asyncio.get_running_loop().time() == pytest.approx(5, abs=0.01)

    port = FakePort()
    converse(port, story)


def test_waiting_commands_go_by_priority_and_then_in_order() -> None:
    async def story(channel: Channel) -> None:
        waiting = [
            channel.run("AT+FIRST", timeout_s=5),
            channel.run("AT+POLL1", timeout_s=5, priority=Priority.POLL),
            channel.run("AT+CONTROL1", timeout_s=5),
            channel.run("AT+POLL2", timeout_s=5, priority=Priority.POLL),
            channel.run("AT+APDU", timeout_s=5, priority=Priority.APDU),
            channel.run("AT+CONTROL2", timeout_s=5),
        ]
        await asyncio.gather(*waiting, return_exceptions=True)
        sent = [command.removeprefix("AT+") for command in port.written]
        assert sent == ["FIRST", "APDU", "CONTROL1", "CONTROL2", "POLL1", "POLL2"]

    port = FakePort(answering({}))
    converse(port, story)


def test_a_poll_that_waits_too_long_is_dropped_unsent_and_a_command_is_not() -> None:
    def react(port: FakePort, command: str) -> None:
        port.say("\r\nOK\r\n", after_s=10 if command == "AT+SLOW" else 0)

    async def story(channel: Channel) -> None:
        slow = asyncio.create_task(channel.run("AT+SLOW", timeout_s=20))
        await asyncio.sleep(0)
        poll = asyncio.create_task(channel.run("AT+POLL", timeout_s=2, priority=Priority.POLL))
        control = asyncio.create_task(channel.run("AT+CONTROL", timeout_s=2))
        with pytest.raises(AtTimeout):
            await poll
        assert asyncio.get_running_loop().time() == pytest.approx(2)
        await slow
        await control
        assert port.written == ["AT+SLOW", "AT+CONTROL"]
        assert channel.counters.stale == 1
        assert channel.counters.timeouts == 0

    port = FakePort(react)
    converse(port, story)


def test_a_turn_given_to_a_command_that_is_just_being_cancelled_goes_on_to_the_next() -> None:
    async def story(channel: Channel) -> None:
        async def first_then_cancel_second() -> None:
            await channel.run("AT+ONE", timeout_s=1)
            # The second has been given its turn and has not run yet.
            second.cancel()

        first = asyncio.create_task(first_then_cancel_second())
        await asyncio.sleep(0)
        second = asyncio.create_task(channel.run("AT+TWO", timeout_s=1))
        third = asyncio.create_task(channel.run("AT+THREE", timeout_s=1))
        assert await asyncio.wait_for(third, timeout=5) == ()
        assert first.done()
        assert second.cancelled()
        assert port.written == ["AT+ONE", "AT+THREE"]

    port = FakePort(lambda port, command: port.say("\r\nOK\r\n", after_s=0.1))
    converse(port, story)


def test_a_vanishing_modem_fails_the_command_in_flight_and_all_that_wait_at_once() -> None:
    async def story(channel: Channel) -> None:
        commands = [asyncio.create_task(channel.run(f"AT+C{n}", timeout_s=60)) for n in range(4)]
        await asyncio.sleep(0.5)
        port.vanish()
        results = await asyncio.gather(*commands, return_exceptions=True)
        assert asyncio.get_running_loop().time() == 0.5
        assert [type(each) for each in results] == [PortGone] * 4
        with pytest.raises(PortGone, match="unplugged"):
            await channel.run("AT", timeout_s=60)
        assert port.written == ["AT+C0"]

    port = FakePort()
    converse(port, story)


def test_a_modem_that_vanishes_while_probed_is_gone_not_slow() -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(AtTimeout):
            await channel.run("AT+LOST", timeout_s=1)
        waiting = asyncio.create_task(channel.run("AT+CSQ", timeout_s=60))
        await asyncio.sleep(0)
        assert port.written[-1] == "AT"
        port.vanish()
        with pytest.raises(PortGone):
            await waiting

    port = FakePort()
    converse(port, story)


def test_closing_the_channel_fails_what_is_in_flight() -> None:
    async def run() -> None:
        async with Channel(FakePort()) as channel:
            waiting = asyncio.create_task(channel.run("AT+CSQ", timeout_s=60))
            await asyncio.sleep(0)
        with pytest.raises(PortGone, match="closed"):
            await waiting

    virtual.run(run())


def test_only_one_at_line_is_ever_written() -> None:
    async def story(channel: Channel) -> None:
        with pytest.raises(ValueError, match="AT line"):
            await channel.run("AT+CSQ\rAT+CFUN=0", timeout_s=1)
        assert port.written == []

    port = FakePort()
    converse(port, story)
