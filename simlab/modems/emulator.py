"""A cellular modem on a pseudo-terminal: its AT port, its card, its registration, its comings and goings."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from modems.transcript import Transcript
from simlab.modems.interpreter import load_script
from simlab.modems.line import CommandLine
from simlab.modems.orders import EnterPin, Restart, SetRadio, SetSlot, order
from simlab.modems.sim import ModemSim, SimFailure
from simlab.modems.state import SETTABLE, ModemState, Timing

__all__ = ["Attach", "EmulatedModem", "ModemState", "Timing", "accept_all", "load_script"]

log = logging.getLogger(__name__)

DEFAULT_TIMING = Timing()


class _Card(StrEnum):
    """The card in the active slot, named as the script's sections are."""

    ABSENT = "no-sim"
    READING = "sim-busy"
    FAILED = "sim-failure"
    LOCKED = "sim-pin"
    READY = "card-ready"


Attach = Callable[[ModemSim], Awaitable[bool]]


async def accept_all(sim: ModemSim) -> bool:
    """The network that lets every card in."""
    return True


class EmulatedModem(CommandLine):
    """A modem that answers from `script` at `link_path`, from `async with` to its end.

    `sim` is the card in slot 1, `attach` decides whether the network accepts it, `values` override the
    script's (mcc, mnc, imei ...). With a `pin` the card asks for it after every power-on.
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
        pin: str | None = None,
    ) -> None:
        super().__init__(script, link_path, timing=timing, values=values or {})
        self._attach = attach
        self._sims: dict[int, ModemSim] = {} if sim is None else {1: sim}
        self._slot = 1
        self._slots = int(script.values.get("slots", "1"))
        self._pin, self._unlocked = pin, False
        self._service = ""
        self._drawer_open = False
        self._network = ModemState.REGISTERED
        self._cfun = 1
        self._card = _Card.ABSENT
        self._registration = ModemState.SEARCHING
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
        return self._registration if self._network is ModemState.REGISTERED else self._network

    async def wait_for(self, *states: ModemState) -> ModemState:
        """Wait until the modem is in one of `states`, and return it."""
        while self.state not in states:
            await self._changed.wait()
        return self.state

    def set_state(self, state: ModemState) -> None:
        """Bring about a state of SETTABLE; raises ValueError for the others, which come about by themselves.

        REGISTERED undoes the others and lets the modem register, if its card and the network agree.
        SEARCHING is a network that lets the modem wait, LIMITED one that serves other people's cards.
        NO_SIM pulls whatever card there is; the card goes back in with the next other state.
        """
        if state not in SETTABLE:
            raise ValueError(f"{state.value} comes about by itself, it cannot be set")
        if state is ModemState.GONE:
            self._unplug()
            return
        drawer_open, self._drawer_open = self._drawer_open, state is ModemState.NO_SIM
        network, self._network = self._network, state
        if state is ModemState.NO_SIM:
            self._network = ModemState.REGISTERED
        if not self._tty.plugged:
            self._plug_in()
        elif drawer_open != self._drawer_open:
            self._read_card()
        elif network != self._network:
            self._register()

    def set_service(self, service: str) -> None:
        """Serve the modem by "lte", "nsa", "sa" or "ca" where the script has it; "" is the script's usual."""
        self._service = service
        if self.state is ModemState.REGISTERED:
            self._enter(self._serving_section())

    def set_sim(self, sim: ModemSim | None, *, slot: int = 1) -> None:
        """Put a card into a slot, or pull it; the modem notices when the slot is the active one."""
        if sim is None:
            self._sims.pop(slot, None)
        else:
            self._sims[slot] = sim
        if slot == self._slot and self._tty.plugged:
            self._read_card()

    # Comings and goings

    def _plug_in(self) -> None:
        self._cancel_restart()
        self._interpreter.power_on()
        self._cfun = 1
        self._unlocked = False
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
        if self._network is not ModemState.REGISTERED or self.state is ModemState.RADIO_OFF:
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
        if self._pin is not None and not self._unlocked:
            self._card = _Card.LOCKED
            self._enter(_Card.LOCKED.value)
            self._notify()
            return
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
        self._enter(self._serving_section() if accepted else self._registration.value)
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

    def _execute(self, command: str) -> None:
        match order(command, self._interpreter.values):
            case SetRadio(level):
                self._set_cfun(level)
            case Restart():
                self._reply(["OK"])
                self._restart_soon()
            case SetSlot(slot, restarts):
                self._set_slot(slot, restarts=restarts)
            case EnterPin(pin) if self._card is _Card.LOCKED:
                self._enter_pin(pin)
            case _ if command.upper() == "AT+CFUN?":
                self._reply([f"+CFUN: {self._cfun}", "OK"])
            case _:
                base = int(self._interpreter.values.get("slot_base", "1"))
                self._interpreter.values["slot"] = str(self._slot - 1 + base)
                self._reply(self._interpreter.answer(command, self._sections()))

    def _sections(self) -> list[str]:
        """Where the script is looked up: what the card says, then what the network says, then the rest."""
        network = ModemState.RADIO_OFF if self._cfun != 1 else self._network
        if network is ModemState.REGISTERED:
            network = self._registration
        served = [network.value] if self._card is not _Card.ABSENT else []
        if served and network is ModemState.REGISTERED:
            served.insert(0, self._serving_section())
        return [self._card.value, *served, ""]

    def _serving_section(self) -> str:
        name = f"{ModemState.REGISTERED.value}-{self._service}"
        known = self._service and name in self._interpreter.script.sections
        return name if known else ModemState.REGISTERED.value

    def _enter_pin(self, pin: str) -> None:
        if pin != self._pin:
            self._reply(["+CME ERROR: 16"])
            return
        self._reply(["OK"])
        self._unlocked = True
        self._read_card()

    def _set_cfun(self, level: int) -> None:
        if level not in {0, 1, 4}:
            self._reply(["ERROR"])
            return
        self._reply(["OK"])
        powered_up, self._cfun = self._cfun == 0 and level != 0, level
        if powered_up:
            self._read_card()
        else:
            self._register()

    def _restart_soon(self) -> None:
        loop = asyncio.get_running_loop()
        self._restart = loop.call_later(self._timing.restart_s, self._power_cycle)

    def _power_cycle(self) -> None:
        self._unplug()
        self._restart = asyncio.get_running_loop().call_later(self._timing.restart_s, self._plug_in)

    def _set_slot(self, slot: int, *, restarts: bool) -> None:
        if not 1 <= slot <= self._slots or self._slots == 1:
            self._reply(["ERROR"])
            return
        changed, self._slot = slot != self._slot, slot
        if changed and restarts:
            # Re-enumerating at once, before the OK is out.
            self._power_cycle()
            return
        self._reply(["OK"])
        if changed:
            self._read_card()
