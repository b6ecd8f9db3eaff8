"""Moving a modem from one card to another, verified, and back when it does not work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from modems.errors import ModemError
from modems.facts import Sim, mask
from remsimd.config.model import ModemConfig, SimSource
from remsimd.errors import FrontendError, RemsimError, SwitchError
from remsimd.sim.frontend import Frontend
from remsimd.sim.gpio import Lines
from remsimd.sim.journal import Journal, JournalEntry
from remsimd.sim.mux import make_mux

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

    async def select_slot(self, slot: int) -> None: ...

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
        self._mux = make_mux(config, lines, modem)
        self._journal = journal
        self._redial = redial
        self._asleep = True

    @property
    def asleep(self) -> bool:
        """Whether the radio may still be parked: by a daemon that was killed, or a modem that vanished."""
        return self._asleep

    async def wake(self) -> None:
        """Wake the radio as soon as the modem is there; one that refuses is not asked again."""
        while self._asleep:
            await self._modem.wait_present()
            await self._set_radio(True)
            self._asleep = not self._modem.present

    @property
    def needs_modem(self) -> bool:
        """Whether even the wiring can only be moved while the modem is there."""
        return self._mux is not None and self._mux.needs_modem

    async def modem_there(self) -> None:
        """Wait for the modem: a card cannot be shown to one that is not there."""
        await self._modem.wait_present()

    async def move(self, current: SimSource, target: Target) -> str | None:
        """Put the modem on the target's card, and see that it reads that card.

        For the local card the wiring is enough while the modem is not there. Returns why the
        modem does not read the local card, where it does not: there is nowhere else to go.
        Raises `SwitchError` when it does not read the wanted remote card, and `SwitchError`,
        `GpioError` or `FrontendError` when the wiring does not obey; the hardware is then where
        the last step left it and the journal says so, and the caller decides whether to go back.
        """
        name = self._config.name
        self._journal.write(JournalEntry(current, moving_to=target.source))
        await self._set_radio(False)
        await self.connect(target)
        await self._set_radio(True)
        trouble = None
        if target.source is SimSource.REMOTE or self._modem.present:
            try:
                sim = await self._read_card(target)
            except SwitchError as error:
                if target.source is SimSource.REMOTE:
                    raise
                trouble = str(error)
            else:
                log.info("%s: reads ICCID %s on the %s card", name, mask(sim.iccid), target.source)
        self._journal.write(JournalEntry(target.source))
        if self._config.interface is not None:
            await self._redial(self._config.interface)
        return trouble

    async def release(self, current: SimSource) -> bool:
        """Leave the modem on its local card, quickly: the daemon ends and can watch nothing.

        Returns whether the wiring obeyed; where it did not, the next start finishes it.
        """
        self._journal.write(JournalEntry(current, moving_to=SimSource.LOCAL))
        await self._within(RELEASE_STEP_S, self._modem.set_radio(False))
        wired = await self._within(RELEASE_STEP_S, self.connect(Target(SimSource.LOCAL)))
        if wired:
            self._journal.write(JournalEntry(SimSource.LOCAL))
        await self._within(RELEASE_STEP_S, self._modem.set_radio(True))
        return wired

    async def connect(self, target: Target) -> None:
        """Only the wiring: card out of the frontend, the mux line, the card into the frontend.

        A remote card that replaces another one is taken out all the same: the modem has to
        notice the change, or it would go on where it was with a card that knows nothing of it.
        """
        remote = target.source is SimSource.REMOTE
        if self._frontend is not None:
            try:
                await self._frontend.remove()
            except FrontendError as error:
                # The way to the local card must not depend on a board that may be unplugged.
                if remote or self._mux is None:
                    raise
                log.warning("%s: the remote card is not taken out: %s", self._config.name, error)
        if self._mux is not None:
            await self._mux.select(target.source)
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
        await self._reset_modem()
        try:
            sim = await self._modem.fresh_sim(SIM_WAIT_S)
        except TimeoutError as error:
            raise SwitchError(f"the modem read no card within {SIM_WAIT_S:.0f} s") from error
        if target.iccid not in (None, sim.iccid):
            raise SwitchError(
                f"the modem reads ICCID {mask(sim.iccid)} where {mask(target.iccid)} was expected"
            )
        return sim

    async def _reset_modem(self) -> None:
        """By its own command, or by the reset line of the board that shows the card."""
        if await self._quietly("reset the modem", self._modem.reset()) or self._frontend is None:
            return
        try:
            await self._frontend.reset_modem()
        except FrontendError as error:
            log.warning("%s: the board could not reset the modem: %s", self._config.name, error)

    async def _within(self, seconds: float, step: Awaitable[None]) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await step
        except (ModemError, RemsimError, TimeoutError) as error:
            log.warning("%s: on the way back to the local card: %s", self._config.name, error)
            return False
        return True

    async def _set_radio(self, on: bool) -> None:
        self._asleep = True
        done = await self._quietly(f"{'wake' if on else 'park'} the radio", self._modem.set_radio(on))
        self._asleep = not (on and done)

    async def _quietly(self, what: str, step: Awaitable[None]) -> bool:
        """A step that a missing or stubborn modem must not stop: the wiring moves all the same."""
        try:
            await step
        except ModemError as error:
            level = logging.WARNING if self._modem.present else logging.DEBUG
            log.log(level, "%s: could not %s: %s", self._config.name, what, error)
            return False
        return True
