"""Moving a modem from one card to another, verified, and back when it does not work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from modems.errors import ModemError
from modems.facts import Sim
from remsimd.config.model import ModemConfig, SimSource
from remsimd.errors import RemsimError, SwitchError
from remsimd.log import mask
from remsimd.sim.frontend import Frontend
from remsimd.sim.gpio import Lines
from remsimd.sim.journal import Journal, JournalEntry

log = logging.getLogger(__name__)

SIM_WAIT_S = 120.0
"""Some modems re-enumerate for a SIM change; two minutes is the slowest seen in the field."""
RELEASE_STEP_S = 0.8
"""Three steps of this length fit into the time a stopped daemon has (3 s)."""
SIM_PATIENCE_S = 20.0
"""A modem that has not noticed the other card by then is reset once."""


class ModemControl(Protocol):
    """What a switch needs of a modem; the calls raise `ModemError` when that fails."""

    @property
    def present(self) -> bool: ...

    async def wait_present(self) -> None: ...

    async def set_radio(self, on: bool) -> None: ...

    async def reset(self) -> None: ...

    async def fresh_sim(self, timeout_s: float) -> Sim: ...


@dataclass(frozen=True, slots=True)
class Target:
    """The card wanted: its ATR when remote, its ICCID where somebody knows it."""

    source: SimSource
    atr: bytes | None = None
    iccid: str | None = None


class SimSwitch:
    """The hardware steps for one modem. Runs one switch at a time; the caller sees to that."""

    def __init__(
        self,
        config: ModemConfig,
        *,
        modem: ModemControl,
        frontend: Frontend | None,
        lines: Lines,
        journal: Journal,
        redial: Callable[[str], Awaitable[None]],
    ) -> None:
        self._config = config
        self._modem = modem
        self._frontend = frontend
        self._lines = lines
        self._journal = journal
        self._redial = redial

    async def modem_there(self) -> None:
        """Wait for the modem: a card cannot be shown to one that is not there."""
        await self._modem.wait_present()

    async def move(self, current: SimSource, target: Target) -> None:
        """Put the modem on the target's card, and see that it reads that card.

        For the local card the wiring is enough while the modem is not there. Raises
        `SwitchError` when the modem does not read the wanted card, `GpioError` or
        `FrontendError` when the wiring does not obey; the hardware is then where the last step
        left it and the journal says so, and the caller decides whether to go back.
        """
        name = self._config.name
        self._journal.write(JournalEntry(current, moving_to=target.source))
        await self._quietly("park the radio", self._modem.set_radio(False))
        await self.connect(target)
        await self._quietly("wake the radio", self._modem.set_radio(True))
        if target.source is SimSource.REMOTE or self._modem.present:
            sim = await self._read_card(target)
            log.info("%s: reads ICCID %s on the %s card", name, mask(sim.iccid), target.source)
        self._journal.write(JournalEntry(target.source))
        if self._config.interface is not None:
            await self._redial(self._config.interface)

    async def release(self) -> None:
        """Leave the modem on its local card, quickly: the daemon ends and can watch nothing."""
        for step in (self._modem.set_radio(False), self.connect(Target(SimSource.LOCAL))):
            await self._within(RELEASE_STEP_S, step)
        self._journal.write(JournalEntry(SimSource.LOCAL))
        await self._within(RELEASE_STEP_S, self._modem.set_radio(True))

    async def connect(self, target: Target) -> None:
        """Only the wiring: card out of the frontend or into it, and the mux line."""
        remote = target.source is SimSource.REMOTE
        if self._frontend is not None and not remote:
            await self._frontend.remove()
        if self._config.sim_select_line is not None:
            await self._lines.set(self._config.sim_select_line, self._config.sim_select_remote is remote)
        if self._frontend is not None and remote and target.atr is not None:
            await self._frontend.insert(target.atr)

    async def _read_card(self, target: Target) -> Sim:
        try:
            sim = await self._modem.fresh_sim(SIM_PATIENCE_S)
            if target.iccid in (None, sim.iccid):
                return sim
        except TimeoutError:
            pass
        log.info("%s: the modem has not noticed its new card, resetting it", self._config.name)
        await self._quietly("reset the modem", self._modem.reset())
        try:
            sim = await self._modem.fresh_sim(SIM_WAIT_S)
        except TimeoutError as error:
            raise SwitchError(f"the modem read no card within {SIM_WAIT_S:.0f} s") from error
        if target.iccid not in (None, sim.iccid):
            raise SwitchError(
                f"the modem reads ICCID {mask(sim.iccid)} where {mask(target.iccid)} was expected"
            )
        return sim

    async def _within(self, seconds: float, step: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(seconds):
                await step
        except (ModemError, RemsimError, TimeoutError) as error:
            log.warning("%s: on the way back to the local card: %s", self._config.name, error)

    async def _quietly(self, what: str, step: Awaitable[None]) -> None:
        """A step that a missing or stubborn modem must not stop: the wiring moves all the same."""
        try:
            await step
        except ModemError as error:
            level = logging.WARNING if self._modem.present else logging.DEBUG
            log.log(level, "%s: could not %s: %s", self._config.name, what, error)
