"""The actions of the recovery ladder on real hardware, each through the part that owns it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from remsimd.config.model import GpioLine, ModemConfig, SimSource
from remsimd.events import RecoveryAction
from remsimd.failover.recovery import CARD_ACTIONS
from remsimd.sim.gpio import Lines

RADIO_OFF_S = 3.0
"""Long enough for the network to have let the modem go before it attaches again."""


class Radio(Protocol):
    """What is needed of a modem; both raise `ModemError`."""

    async def set_radio(self, on: bool) -> None: ...

    async def reset(self) -> None: ...


class Remedies:
    """The actions for one modem; `ladder` names those its hardware allows.

    `redial` brings netifd's interface up anew. `local_card` and `remote_card` say which card the
    modem shall be on, `other_slot` asks the orchestrator for another slot; each may be missing.
    """

    def __init__(
        self,
        config: ModemConfig,
        *,
        radio: Radio,
        lines: Lines,
        redial: Callable[[str], Awaitable[None]],
        local_card: Callable[[], None] | None = None,
        remote_card: Callable[[], None] | None = None,
        other_slot: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._config = config
        self._radio = radio
        self._lines = lines
        self._redial = redial
        self._local_card = local_card
        self._remote_card = remote_card
        self._other_slot = other_slot

    @property
    def ladder(self) -> tuple[RecoveryAction, ...]:
        """The rungs, the gentlest first."""
        remote = self._config.sim is SimSource.REMOTE
        lacking = set()
        if self._config.interface is None:
            lacking.add(RecoveryAction.REDIAL)
        if self._config.reset_line is None:
            lacking.add(RecoveryAction.RESET_LINE)
        if self._config.power_line is None:
            lacking.add(RecoveryAction.POWER_CYCLE)
        if self._local_card is None:
            lacking.add(RecoveryAction.LOCAL_CARD)
        if self._other_slot is None or self._remote_card is None:
            lacking.add(RecoveryAction.OTHER_CARD)
        rungs = (
            RecoveryAction.REDIAL,
            RecoveryAction.RADIO_CYCLE,
            RecoveryAction.RESET,
            RecoveryAction.RESET_LINE,
            RecoveryAction.POWER_CYCLE,
            *(CARD_ACTIONS if remote else ()),
        )
        return tuple(rung for rung in rungs if rung not in lacking)

    async def apply(self, action: RecoveryAction) -> None:
        """Carry one out. Raises ModemError, GpioError or OrchestratorError when that fails."""
        match action:
            case RecoveryAction.REDIAL:
                await self._dial()
            case RecoveryAction.RADIO_CYCLE | RecoveryAction.CARD_AGAIN:
                await self._cycle_radio()
            case RecoveryAction.RESET:
                await self._radio.reset()
            case RecoveryAction.RESET_LINE:
                await self._pulse_reset()
            case RecoveryAction.POWER_CYCLE:
                await self._cycle_power()
            case RecoveryAction.LOCAL_CARD if self._local_card is not None:
                self._local_card()
            case RecoveryAction.OTHER_CARD if self._other_slot is not None and self._remote_card is not None:
                await self._other_slot()
                self._remote_card()

    def back_to_the_remote_card(self) -> None:
        """Undo the local card, where there was another one before."""
        if self._remote_card is not None:
            self._remote_card()

    async def _dial(self) -> None:
        if self._config.interface is not None:
            await self._redial(self._config.interface)

    async def _cycle_radio(self) -> None:
        """Off and on; a modem reads its card and asks for its network anew."""
        try:
            await self._radio.set_radio(False)
            await asyncio.sleep(RADIO_OFF_S)
        finally:
            # A radio left off would be worse than what this is to mend.
            await self._radio.set_radio(True)
        await self._dial()

    async def _pulse_reset(self) -> None:
        line, active = self._config.reset_line, self._config.reset_active_high
        if line is not None:
            await self._pulse(line, active, self._config.reset_pulse_ms / 1000)

    async def _cycle_power(self) -> None:
        if self._config.power_line is not None:
            await self._pulse(self._config.power_line, False, self._config.power_off_ms / 1000)

    async def _pulse(self, line: GpioLine, value: bool, seconds: float) -> None:
        try:
            await self._lines.set(line, value)
            await asyncio.sleep(seconds)
        finally:
            # Shielded: a modem must not be left in reset or without power when the daemon stops.
            await asyncio.shield(self._lines.set(line, not value))
