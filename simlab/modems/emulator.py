"""A cellular modem on a pseudo-terminal: its AT port, its card, its registration, its comings and goings."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from modems.transcript import Transcript
from simlab.modems.interpreter import Interpreter, load_script
from simlab.modems.pty import ModemTty
from simlab.modems.sim import ModemSim, SimFailure
from simlab.modems.state import SETTABLE, ModemState, Timing

__all__ = ["Attach", "EmulatedModem", "ModemState", "Timing", "accept_all", "load_script"]

log = logging.getLogger(__name__)

DEFAULT_TIMING = Timing()
COMMANDS_KEPT = 1000

_SET_CFUN = re.compile(r"AT\+CFUN=(\d+)(?:,([01]))?", re.IGNORECASE)
_SET_SLOT = re.compile(r"AT\+QUIMSLOT=(\d)", re.IGNORECASE)


class _Card(StrEnum):
    """The card in the active slot, named as the script's sections are."""

    ABSENT = "no-sim"
    READING = "sim-busy"
    FAILED = "sim-failure"
    READY = "card-ready"


Attach = Callable[[ModemSim], Awaitable[bool]]


async def accept_all(sim: ModemSim) -> bool:
    """The network that lets every card in."""
    return True


class EmulatedModem:
    """A modem that answers from `script` at `link_path`, from `async with` to its end.

    `sim` is the card in slot 1, `attach` decides whether the network accepts it, `values` override the
    script's (mcc, mnc, imei ...). `muted` makes the modem swallow commands, as a hung firmware does;
    `commands` are the last ones it executed.
    """

    def __init__(
        self,
        script: Transcript,
        link_path: Path,
        *,
        sim: ModemSim | None = None,
        attach: Attach = accept_all,
        timing: Timing = DEFAULT_TIMING,
        values: Mapping[str, str] | None = None,
    ) -> None:
        self.muted = False
        self.commands: deque[str] = deque(maxlen=COMMANDS_KEPT)
        self._interpreter = Interpreter(script, values or {})
        self._tty = ModemTty(
            link_path, self._on_bytes, piece_bytes=timing.piece_bytes, piece_s=timing.piece_s
        )
        self._attach = attach
        self._timing = timing
        self._sims: dict[int, ModemSim] = {} if sim is None else {1: sim}
        self._slot = 1
        self._slots = int(script.values.get("slots", "1"))
        self._drawer_open = False
        self._signal = True
        self._cfun = 1
        self._card = _Card.ABSENT
        self._registration = ModemState.SEARCHING
        self._partial = ""
        self._interrupting: list[str] = []
        self._todo: asyncio.Queue[str] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._life: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._restart: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._execute_all()), asyncio.create_task(self._tty.run())]
        self._plug_in()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        tasks = [*self._tasks, *([self._life] if self._life else [])]
        self._unplug()
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    @property
    def link_path(self) -> Path:
        """Where the AT port is while the modem is plugged in."""
        return self._tty.link

    @property
    def slot(self) -> int:
        """The active SIM slot, from 1."""
        return self._slot

    @property
    def state(self) -> ModemState:
        """What the modem is at now."""
        if not self._tty.plugged:
            return ModemState.GONE
        if self._cfun != 1:
            return ModemState.RADIO_OFF
        if self._card is not _Card.READY:
            return ModemState(self._card.value)
        return self._registration if self._signal else ModemState.NO_SIGNAL

    async def wait_for(self, *states: ModemState) -> ModemState:
        """Wait until the modem is in one of `states`, and return it."""
        while self.state not in states:
            await self._changed.wait()
        return self.state

    def set_state(self, state: ModemState) -> None:
        """Bring about REGISTERED, NO_SIGNAL, NO_SIM or GONE; raises ValueError for the others.

        REGISTERED undoes the other three and lets the modem register, if its card and the network agree.
        NO_SIM pulls whatever card there is; the card goes back in with the next other state.
        """
        if state not in SETTABLE:
            raise ValueError(f"{state.value} comes about by itself, it cannot be set")
        if state is ModemState.GONE:
            self._unplug()
            return
        drawer_open, self._drawer_open = self._drawer_open, state is ModemState.NO_SIM
        signal, self._signal = self._signal, state is not ModemState.NO_SIGNAL
        if not self._tty.plugged:
            self._plug_in()
        elif drawer_open != self._drawer_open:
            self._read_card()
        elif signal != self._signal:
            self._register()

    def set_sim(self, sim: ModemSim | None, *, slot: int = 1) -> None:
        """Put a card into a slot, or pull it; the modem notices when the slot is the active one."""
        if sim is None:
            self._sims.pop(slot, None)
        else:
            self._sims[slot] = sim
        if slot == self._slot and self._tty.plugged:
            self._read_card()

    def emit(self, line: str) -> None:
        """Send an unsolicited line, if the modes that commands set allow it."""
        shaped = self._interpreter.urc(line)
        if shaped is not None:
            self._tty.say(f"\r\n{shaped}\r\n")

    def interrupt_next_answer(self, line: str) -> None:
        """Send `line` in the middle of the next answer: after its first line."""
        self._interrupting.append(line)

    # Comings and goings

    def _plug_in(self) -> None:
        self._cancel_restart()
        self._interpreter.power_on()
        self._cfun = 1
        self._partial = ""
        self._tty.plug_in()
        self._enter("boot")
        self._read_card()

    def _unplug(self) -> None:
        self._cancel_restart()
        self._stop_life()
        while not self._todo.empty():
            self._todo.get_nowait()
        self._card = _Card.ABSENT
        self._tty.unplug()
        self._notify()

    def _cancel_restart(self) -> None:
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None

    # Card and network

    def _read_card(self) -> None:
        """The card in the active slot changed: start over from reading it."""
        self._registration = ModemState.SEARCHING
        sim = None if self._drawer_open else self._sims.get(self._slot)
        self._card = _Card.ABSENT if sim is None else _Card.READING
        if sim is None:
            self._stop_life()
            self._enter(_Card.ABSENT.value)
        else:
            self._start_life(self._live(sim))
        self._notify()

    def _register(self) -> None:
        """Radio or network changed: leave the network, and look for it anew if there is any."""
        if self._card is _Card.READING:
            return
        self._stop_life()
        self._registration = ModemState.SEARCHING
        sim = self._sims.get(self._slot)
        if self.state in {ModemState.NO_SIGNAL, ModemState.RADIO_OFF}:
            self._enter(self.state.value)
        elif sim is not None and self._card is _Card.READY:
            self._start_life(self._join(sim))
        self._notify()

    async def _live(self, sim: ModemSim) -> None:
        await asyncio.sleep(self._timing.card_s)
        try:
            iccid, imsi = await sim.read_iccid(), await sim.read_imsi()
        except SimFailure as error:
            log.debug("card in slot %d: %s", self._slot, error)
            self._card = _Card.FAILED
            self._enter(_Card.FAILED.value)
            self._notify()
            return
        self._interpreter.values.update(iccid=iccid, imsi=imsi)
        self._card = _Card.READY
        self._enter(_Card.READY.value)
        self._notify()
        await self._join(sim)

    async def _join(self, sim: ModemSim) -> None:
        if self.state is not ModemState.SEARCHING:
            self._enter(self.state.value)
            return
        await asyncio.sleep(self._timing.attach_s)
        while (accepted := await self._try_attach(sim)) is None:
            await asyncio.sleep(self._timing.retry_s)
        self._registration = ModemState.REGISTERED if accepted else ModemState.DENIED
        self._enter(self._registration.value)
        self._notify()

    async def _try_attach(self, sim: ModemSim) -> bool | None:
        """Return the network's verdict, None when the card failed before there was one."""
        try:
            return await self._attach(sim)
        except SimFailure as error:
            log.debug("card in slot %d: %s", self._slot, error)
            return None

    def _start_life(self, life: Awaitable[None]) -> None:
        self._stop_life()
        self._life = asyncio.ensure_future(life)

    def _stop_life(self) -> None:
        if self._life is not None:
            self._life.cancel()
            self._life = None

    def _enter(self, section: str) -> None:
        for line in self._interpreter.urcs(section):
            self._tty.say(f"\r\n{line}\r\n")

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # Commands and answers

    def _on_bytes(self, data: bytes) -> None:
        for character in data.decode("latin-1"):
            if self._interpreter.echo and not self.muted:
                self._tty.say(character)
            if character != "\r":
                self._partial += character
                continue
            command, self._partial = self._partial.strip(), ""
            if command and not self.muted:
                self._todo.put_nowait(command)

    async def _execute_all(self) -> None:
        while True:
            command = await self._todo.get()
            await asyncio.sleep(self._timing.answer_s)
            self.commands.append(command)
            self._execute(command)

    def _execute(self, command: str) -> None:
        if match := _SET_CFUN.fullmatch(command):
            self._set_cfun(int(match[1]), restart=match[2] == "1")
        elif match := _SET_SLOT.fullmatch(command):
            self._set_slot(int(match[1]))
        elif command.upper() == "AT+CFUN?":
            self._reply([f"+CFUN: {self._cfun}", "OK"])
        else:
            self._interpreter.values["slot"] = str(self._slot)
            self._reply(self._interpreter.answer(command, self._sections()))

    def _sections(self) -> list[str]:
        """Where the script is looked up: what the card says, then what the network says, then the rest."""
        network = ModemState.RADIO_OFF if self._cfun != 1 else ModemState.NO_SIGNAL
        if self._cfun == 1 and self._signal:
            network = self._registration
        return [self._card.value, *([network.value] if self._card is not _Card.ABSENT else []), ""]

    def _set_cfun(self, level: int, *, restart: bool) -> None:
        if level not in {0, 1, 4}:
            self._reply(["ERROR"])
            return
        self._reply(["OK"])
        if restart:
            loop = asyncio.get_running_loop()
            self._restart = loop.call_later(self._timing.restart_s, self._power_cycle)
            return
        powered_up, self._cfun = self._cfun == 0 and level != 0, level
        if powered_up:
            self._read_card()
        else:
            self._register()

    def _power_cycle(self) -> None:
        self._unplug()
        self._restart = asyncio.get_running_loop().call_later(self._timing.restart_s, self._plug_in)

    def _set_slot(self, slot: int) -> None:
        if not 1 <= slot <= self._slots or self._slots == 1:
            self._reply(["ERROR"])
            return
        self._reply(["OK"])
        if slot != self._slot:
            self._slot = slot
            self._read_card()

    def _reply(self, lines: list[str]) -> None:
        urcs, self._interrupting = self._interrupting, []
        for line in [*lines[:1], *urcs, *lines[1:]]:
            self._tty.say(f"\r\n{line}\r\n")
