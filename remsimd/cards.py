"""What people and the orchestrator ask about SIM cards: use, slot, test, take back."""

import asyncio
import contextlib
from typing import Any

from modems.errors import ModemError
from remsimd import clock
from remsimd import events as ev
from remsimd.assignment import Assignment
from remsimd.config.model import SimSource
from remsimd.errors import CardError, ControlError
from remsimd.poller import ModemLife
from remsimd.rspro.client import RsproClient
from remsimd.sim.frontend import Card
from remsimd.sim.reader import CardNumbers, read_numbers
from remsimd.sim.slot import SimMode, SimSlot
from remsimd.store import Store
from remsimd.supervisor import Supervisor
from remsimd.wiring import RSPRO, life_name, slot_name

TEST_WITHIN_S = 20.0
"""Some ten round trips; the asker waits for 30 s."""
REMOTE = "remote"
"""What people call `SimMode.AUTO`: the remote card, while there is one."""


class Cards:
    """Carries out wishes about SIM cards; each refusal is a `ControlError` with a text for the asker."""

    def __init__(self, store: Store, supervisor: Supervisor) -> None:
        self._store = store
        self._supervisor = supervisor
        self._taken_back: set[str] = set()

    def assign(self, assignment: Assignment | None) -> None:
        """Tell the RSPRO client its card, unless the modem was taken back from it."""
        client = self._supervisor.find(RSPRO, RsproClient)
        if client is not None:
            client.assign(None if self._taken_back else assignment)

    def on_event(self, event: ev.Event) -> None:
        """Let the bank's card go once the modem that was taken back is on its own."""
        if isinstance(event, ev.SimSwitched) and event.modem in self._taken_back:
            self.assign(None)

    def use(self, modem: str | None, mode: str) -> str:
        """Local card, or the remote one while there is one."""
        name, slot = self._slot(modem)
        wanted = SimMode.AUTO if mode == REMOTE else mode
        if wanted not in tuple(SimMode):
            raise ControlError(f"mode {mode!r} must be one of: {REMOTE}, {', '.join(SimMode)}")
        if wanted == SimMode.AUTO and name in self._taken_back:
            self._taken_back.discard(name)
            self.assign(self._store.now.ionmesh.assignment)
        slot.use(SimMode(wanted))
        return f"{name}: SIM {mode}; follow with `remsimctl events -f`"

    def take_back(self, modem: str | None) -> str:
        """Local card, and the bank's card let go for somebody else, until the remote one is asked for."""
        name, slot = self._slot(modem)
        self.use(name, SimMode.LOCAL)
        self._taken_back.add(name)
        if not slot.uses_remote:
            self.assign(None)
        return f"{name}: taken back; `remsimctl sim use remote` asks the bank for its card again"

    async def select_slot(self, modem: str | None, slot: int) -> str:
        """Make a modem use another of its own SIM slots."""
        names = tuple(self._store.now.modems)
        name = modem or (names[0] if len(names) == 1 else None)
        life = None if name is None else self._supervisor.find(life_name(name), ModemLife)
        if name is None or life is None:
            raise ControlError(f"which modem? modems: {', '.join(names) or 'none'}")
        managed = self._supervisor.find(slot_name(name), SimSlot)
        if managed is not None and managed.needs_modem:
            raise ControlError(f"{name}: its slots follow the card in use; see `remsimctl sim use`")
        try:
            await life.select_slot(slot)
        except (ModemError, ValueError) as error:
            raise ControlError(f"{name}: {error}") from error
        return f"{name} uses its SIM slot {slot}"

    async def test(self) -> dict[str, Any]:
        """The remote card's ATR and numbers, by commands of our own.

        While a modem uses the card they are as that modem read them: commands of our own would
        move what it has selected.
        """
        client = self._supervisor.find(RSPRO, RsproClient)
        atr = self._store.now.rspro.atr
        if client is None or atr is None:
            state = self._store.now.rspro
            why = state.detail or "see `remsimctl status`"
            raise ControlError(f"there is no remote card to test: {state.state} ({why})")
        slots = self._slots()
        for name, slot in slots.items():
            if slot.uses_remote:
                return self._as_read(name, atr)
        started_s = clock.monotonic()
        with contextlib.ExitStack() as kept:
            for slot in slots.values():
                kept.enter_context(slot.kept_off())
            numbers = await _read(client)
        took_s = round(clock.monotonic() - started_s, 3)
        return {"atr": atr, "iccid": numbers.iccid, "imsi": numbers.imsi, "read_by": "test", "took_s": took_s}

    def _as_read(self, name: str, atr: bytes) -> dict[str, Any]:
        modem = self._store.now.modems[name]
        if (
            modem.sim is None
            or modem.sim_source is not SimSource.REMOTE
            or modem.sim_switching_to is not None
        ):
            raise ControlError(f"{name} is moving to the remote card; ask again when it is there")
        return {"atr": atr, "iccid": modem.sim.iccid, "imsi": modem.sim.imsi, "read_by": name, "took_s": None}

    def _slot(self, modem: str | None) -> tuple[str, SimSlot]:
        slots = self._slots()
        chosen = modem or (next(iter(slots)) if len(slots) == 1 else None)
        if chosen is None or chosen not in slots:
            raise ControlError(f"which modem? SIMs can be switched on: {', '.join(slots) or 'none'}")
        return chosen, slots[chosen]

    def _slots(self) -> dict[str, SimSlot]:
        """The running slots by modem."""
        found = {name: self._supervisor.find(slot_name(name), SimSlot) for name in self._store.now.modems}
        return {name: slot for name, slot in found.items() if slot is not None}


async def _read(card: Card) -> CardNumbers:
    try:
        async with asyncio.timeout(TEST_WITHIN_S):
            return await read_numbers(card)
    except TimeoutError as error:
        raise ControlError(f"the remote card did not answer within {TEST_WITHIN_S:.0f} s") from error
    except CardError as error:
        raise ControlError(f"the remote card cannot be read: {error}") from error
