"""The emulated modems, spoken to through their tty like real ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from modems.at.channel import Channel
from modems.at.port import open_port
from modems.errors import AtError, AtTimeout, PortGone
from simlab.modems.emulator import EmulatedModem, ModemState, Timing, load_script
from simlab.modems.sim import LocalSim, ModemSim, SimFailure

DEADLINE_S = 5.0
FAST = Timing(card_s=0.001, attach_s=0.001, restart_s=0.005, piece_bytes=3)
SIM = LocalSim("8939010000000000017", "222011234567890")
OTHER_SIM = LocalSim("8944500000000000025", "234151234567890")


class BrokenSim(LocalSim):
    async def read_imsi(self) -> str:
        raise SimFailure("no answer")


class Heard(list[str]):
    """The URCs that arrived, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def hear(self, line: str) -> None:
        self.append(line)
        self._news.set()

    async def until(self, line: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while line not in self:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def talking(modem: EmulatedModem, urcs: Heard | None = None) -> AsyncIterator[Channel]:
    hear = None if urcs is None else urcs.hear
    async with open_port(modem.link_path) as port, Channel(port, on_urc=hear) as channel:
        channel.urc_names |= {"+QUSIM", "+QSIMSTAT", "+QIND"}
        yield channel


def rm500q(tmp_path: Path, sim: ModemSim | None = SIM, timing: Timing = FAST) -> EmulatedModem:
    return EmulatedModem(load_script("quectel-rm500q"), tmp_path / "ttyRM500Q", sim=sim, timing=timing)


async def ask(channel: Channel, command: str) -> tuple[str, ...]:
    return await channel.run(command, timeout_s=DEADLINE_S)


async def reached(modem: EmulatedModem, state: ModemState) -> None:
    await asyncio.wait_for(modem.wait_for(state), DEADLINE_S)


@pytest.mark.parametrize("name", ["quectel-rm500q", "quectel-ec25"])
async def test_every_recorded_command_is_answered(tmp_path: Path, name: str) -> None:
    script = load_script(name)
    async with EmulatedModem(script, tmp_path / "tty", sim=SIM, timing=FAST) as modem, talking(modem) as at:
        await reached(modem, ModemState.REGISTERED)
        for exchange in script.section("").exchanges:
            lines = await at.run(
                exchange.command.rstrip("*"), timeout_s=DEADLINE_S, prefix=_prefix(exchange.answer)
            )
            assert "{" not in "".join(lines), exchange.command


def _prefix(answer: tuple[str, ...]) -> str | None:
    head = answer[0].partition(":")[0]
    return head if head.startswith("+") else None


async def test_the_link_is_there_while_the_modem_is(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem:
        assert modem.link_path.is_symlink()
        modem.set_state(ModemState.GONE)
        assert not modem.link_path.is_symlink()
        assert modem.state is ModemState.GONE
        modem.set_state(ModemState.REGISTERED)
        await reached(modem, ModemState.REGISTERED)
        assert modem.link_path.is_symlink()
    assert not modem.link_path.is_symlink()


async def test_a_modem_that_goes_hangs_up(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem, open_port(modem.link_path) as port, Channel(port) as at:
        modem.muted = True
        command = asyncio.create_task(ask(at, "AT+CSQ"))
        await asyncio.sleep(0)
        modem.set_state(ModemState.GONE)
        with pytest.raises(PortGone):
            await asyncio.wait_for(command, DEADLINE_S)


async def test_echo_is_on_until_it_is_switched_off(tmp_path: Path) -> None:
    async with rm500q(tmp_path, None) as modem, open_port(modem.link_path) as port:
        arrived: asyncio.Queue[bytes] = asyncio.Queue()
        port.on_bytes = arrived.put_nowait
        port.write(b"AT\rATE0\rAT\r")
        received = b""
        async with asyncio.timeout(DEADLINE_S):
            while received.count(b"OK") < 3:
                received += await arrived.get()
            port.write(b"AT\r")
            while received.count(b"OK") < 4:
                received += await arrived.get()
    assert received.endswith(b"\r\nOK\r\n\r\nOK\r\n")
    assert b"ATE0\r" in received


async def test_errors_are_shaped_by_cmee(tmp_path: Path) -> None:
    async with rm500q(tmp_path, None) as modem, talking(modem) as at:
        shapes = []
        for mode in (0, 1, 2):
            await ask(at, f"AT+CMEE={mode}")
            with pytest.raises(AtError) as refused:
                await ask(at, "AT+CPIN?")
            shapes.append((refused.value.code, refused.value.text))
        with pytest.raises(AtError):
            await ask(at, "AT+NOSUCH")
    assert shapes == [(None, "ERROR"), (10, "SIM not inserted"), (10, "SIM not inserted")]


async def test_inserting_a_card_tells_reads_and_registers(tmp_path: Path) -> None:
    urcs = Heard()
    async with rm500q(tmp_path, None) as modem, talking(modem, urcs) as at:
        for command in ("AT+CMEE=1", "AT+CEREG=2", "AT+QSIMSTAT=1"):
            await ask(at, command)
        assert modem.state is ModemState.NO_SIM
        urcs.clear()
        modem.set_sim(SIM)
        await urcs.until('+CEREG: 1,"BE3","328261F",7')
        assert urcs[:3] == ["+QSIMSTAT: 1,1", "+QUSIM: 1", "+CPIN: READY"]
        assert await ask(at, "AT+QCCID") == (f"+QCCID: {SIM.iccid}",)
        assert await ask(at, "AT+CIMI") == (SIM.imsi,)
        urcs.clear()
        modem.set_sim(None)
        await urcs.until("+CEREG: 0")
        assert urcs == ["+QSIMSTAT : 1,0", "+CPIN: NOT READY", "+CEREG: 0"]
        with pytest.raises(AtError, match="SIM not inserted"):
            await ask(at, "AT+CIMI")


async def test_a_card_that_fails_is_a_sim_failure(tmp_path: Path) -> None:
    async with rm500q(tmp_path, BrokenSim("1" * 19, "2" * 15)) as modem, talking(modem) as at:
        await ask(at, "AT+CMEE=1")
        await reached(modem, ModemState.SIM_FAILURE)
        with pytest.raises(AtError) as refused:
            await ask(at, "AT+CPIN?")
        assert refused.value.code == 13


async def test_a_card_that_takes_its_time_is_busy(tmp_path: Path) -> None:
    release = asyncio.Event()

    class SlowSim(LocalSim):
        async def read_iccid(self) -> str:
            await release.wait()
            return self.iccid

    async with rm500q(tmp_path, SlowSim("1" * 19, "2" * 15)) as modem, talking(modem) as at:
        await ask(at, "AT+CMEE=1")
        with pytest.raises(AtError) as refused:
            await ask(at, "AT+CPIN?")
        assert refused.value.code == 14
        release.set()
        await reached(modem, ModemState.REGISTERED)
        assert await at.run("AT+CPIN?", timeout_s=DEADLINE_S, prefix="+CPIN") == ("+CPIN: READY",)


async def test_the_network_decides_who_registers(tmp_path: Path) -> None:
    asked: list[ModemSim] = []

    async def refuse(sim: ModemSim) -> bool:
        asked.append(sim)
        return False

    modem = EmulatedModem(load_script("quectel-ec25"), tmp_path / "tty", sim=SIM, attach=refuse, timing=FAST)
    async with modem, talking(modem) as at:
        await reached(modem, ModemState.DENIED)
        assert asked == [SIM]
        assert await at.run("AT+CEREG?", timeout_s=DEADLINE_S, prefix="+CEREG") == ("+CEREG: 0,3",)


async def test_a_card_that_fails_while_authenticating_is_tried_again(tmp_path: Path) -> None:
    attempts = 0

    async def attach(sim: ModemSim) -> bool:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await sim.authenticate(bytes(16), bytes(16))
        return True

    timing = Timing(card_s=0.001, attach_s=0.001, retry_s=0.001)
    modem = EmulatedModem(
        load_script("quectel-ec25"), tmp_path / "tty", sim=SIM, attach=attach, timing=timing
    )
    async with modem:
        await reached(modem, ModemState.REGISTERED)
    assert attempts == 3


async def test_a_bug_in_the_network_comes_to_light(tmp_path: Path) -> None:
    async def attach(sim: ModemSim) -> bool:
        failed.set()
        raise ZeroDivisionError

    failed = asyncio.Event()
    modem = EmulatedModem(load_script("quectel-ec25"), tmp_path / "tty", sim=SIM, attach=attach, timing=FAST)
    with pytest.raises(ZeroDivisionError):
        async with modem:
            await asyncio.wait_for(failed.wait(), DEADLINE_S)


async def test_losing_the_signal_and_finding_it_again(tmp_path: Path) -> None:
    urcs = Heard()
    async with rm500q(tmp_path) as modem, talking(modem, urcs) as at:
        await reached(modem, ModemState.REGISTERED)
        await ask(at, "AT+CEREG=1")
        urcs.clear()
        modem.set_state(ModemState.NO_SIGNAL)
        await urcs.until("+CEREG: 0")
        assert urcs == ["+CEREG: 2", "+CEREG: 0"]
        assert await at.run("AT+CEREG?", timeout_s=DEADLINE_S, prefix="+CEREG") == ("+CEREG: 1,0",)
        assert await ask(at, 'AT+QENG="servingcell"') == ('+QENG: "servingcell","SEARCH"',)
        modem.set_state(ModemState.REGISTERED)
        await urcs.until("+CEREG: 1")


async def test_nothing_is_attached_with_the_radio_off(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem, talking(modem) as at:
        await reached(modem, ModemState.REGISTERED)
        await ask(at, "AT+CFUN=4")
        assert modem.state is ModemState.RADIO_OFF
        assert await ask(at, "AT+CFUN?") == ("+CFUN: 4",)
        assert await at.run("AT+CEREG?", timeout_s=DEADLINE_S, prefix="+CEREG") == ("+CEREG: 0,0",)
        assert await ask(at, "AT+QCCID") == (f"+QCCID: {SIM.iccid}",)
        modem.set_sim(OTHER_SIM)
        await ask(at, "AT+CFUN=1")
        await reached(modem, ModemState.REGISTERED)
        assert await ask(at, "AT+CIMI") == (OTHER_SIM.imsi,)


async def test_a_modem_that_is_plugged_in_again_has_its_radio_on(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem:
        async with talking(modem) as at:
            await ask(at, "AT+CFUN=4")
        modem.set_state(ModemState.GONE)
        modem.set_state(ModemState.REGISTERED)
        await reached(modem, ModemState.REGISTERED)


async def test_a_reset_takes_the_port_away_and_forgets_the_modes(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem:
        async with open_port(modem.link_path) as port, Channel(port) as at:
            await ask(at, "AT+CEREG=2")
            await ask(at, "AT+CFUN=1,1")
            await asyncio.wait_for(port.wait_gone(), DEADLINE_S)
        await reached(modem, ModemState.REGISTERED)
        async with talking(modem) as at:
            answer = await at.run("AT+CEREG?", timeout_s=DEADLINE_S, prefix="+CEREG")
            assert answer[0].startswith("+CEREG: 0,1")


async def test_the_other_slot_has_its_own_card(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem, talking(modem) as at:
        modem.set_sim(OTHER_SIM, slot=2)
        await reached(modem, ModemState.REGISTERED)
        assert await ask(at, "AT+QUIMSLOT?") == ("+QUIMSLOT: 1",)
        await ask(at, "AT+QUIMSLOT=2")
        await reached(modem, ModemState.REGISTERED)
        assert await ask(at, "AT+QUIMSLOT?") == ("+QUIMSLOT: 2",)
        assert await ask(at, "AT+CIMI") == (OTHER_SIM.imsi,)


async def test_a_urc_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    urcs = Heard()
    async with rm500q(tmp_path) as modem, talking(modem, urcs) as at:
        await reached(modem, ModemState.REGISTERED)
        await ask(at, "AT+CEREG=1")
        urcs.clear()
        modem.interrupt_next_answer("+CEREG: 2")
        lines = await at.run('AT+QENG="servingcell"', timeout_s=DEADLINE_S, prefix="+QENG")
        assert len(lines) == 3
        assert urcs == ["+CEREG: 2"]


async def test_concatenated_commands_have_one_final_result(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem, talking(modem) as at:
        await reached(modem, ModemState.REGISTERED)
        assert await ask(at, 'AT+CSQ;+QCFG="usbnet"') == ("+CSQ: 23,99", '+QCFG: "usbnet",0')
        with pytest.raises(AtError):
            await ask(at, "AT+CSQ;+NOSUCH;+CSQ")


async def test_a_muted_modem_says_nothing(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem, talking(modem) as at:
        modem.muted = True
        with pytest.raises(AtTimeout):
            await at.run("AT", timeout_s=0.01)
        modem.muted = False
        assert await ask(at, "AT+CGMM") == ("RM500Q-GL",)


async def test_only_causes_can_be_set(tmp_path: Path) -> None:
    async with rm500q(tmp_path) as modem:
        with pytest.raises(ValueError, match="denied"):
            modem.set_state(ModemState.DENIED)
