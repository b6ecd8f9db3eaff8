"""One modem's SIM: which card it should see, and the way there."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from enum import StrEnum

from remsimd import clock
from remsimd import events as ev
from remsimd.backoff import Backoff
from remsimd.config.model import SimSource
from remsimd.errors import RemsimError
from remsimd.sim.journal import Journal, JournalEntry
from remsimd.sim.switch import SimSwitch, Target

log = logging.getLogger(__name__)

RESTORE_GRACE_S = 60.0
"""A daemon that restarts while the modem is on the remote card has this long to bring it back."""


class SimMode(StrEnum):
    AUTO = "auto"
    """The remote card while there is one, else the local card."""
    LOCAL = "local"
    """A person wants the local card."""


class SimSlot:
    """Keeps one modem on the card it should be on; `offer` and `withdraw` come from the bank.

    `expected_iccid` is asked at each switch to the remote card. A switch that fails goes back
    to the local card and is tried again, later each time.
    """

    def __init__(
        self,
        modem: str,
        *,
        switch: SimSwitch,
        journal: Journal,
        expected_iccid: Callable[[], str | None],
        publish: Callable[[ev.Event], None],
    ) -> None:
        self._modem = modem
        self._switch = switch
        self._journal = journal
        self._expected_iccid = expected_iccid
        self._publish = publish
        self._mode = SimMode.AUTO
        self._atr: bytes | None = None
        self._shown_atr: bytes | None = None
        self._cause = "start"
        self._source = SimSource.LOCAL
        self._in_between = False
        self._changed = asyncio.Event()
        self._backoff = Backoff(first_s=60.0, cap_s=900.0)
        self._not_before_s = 0.0

    # What others want

    async def offer(self, atr: bytes) -> None:
        """The bank's card answers with `atr`: the modem may have it."""
        self._atr = atr
        self._wish("the remote card is there")

    async def withdraw(self, reason: str) -> None:
        """The bank's card is gone for longer than the modem can be held."""
        self._atr = None
        self._wish(reason)

    def use(self, mode: SimMode) -> None:
        """What a person wants, until told otherwise."""
        self._mode = mode
        self._backoff = self._backoff.succeeded()
        self._wish(f"asked for {mode}")

    def _wish(self, cause: str) -> None:
        self._cause = cause
        self._not_before_s = 0.0
        self._changed.set()

    @property
    def _wanted(self) -> SimSource:
        remote = self._mode is SimMode.AUTO and self._atr is not None
        return SimSource.REMOTE if remote else SimSource.LOCAL

    @property
    def _settled(self) -> bool:
        if self._in_between or self._source is not self._wanted:
            return False
        return self._source is SimSource.LOCAL or self._shown_atr == self._atr

    # The way there

    async def run(self) -> None:
        """Follow the wishes; returns only by being cancelled."""
        await self._restore()
        while True:
            self._changed.clear()
            if self._settled:
                await self._changed.wait()
            elif clock.monotonic() < self._not_before_s:
                await self._changed_before(self._not_before_s)
            else:
                await self._move_unless_changed()

    async def release(self) -> None:
        """Leave the modem on its local card because the daemon stops; `run` has ended before."""
        if self._in_between or self._source is SimSource.REMOTE:
            await self._switch.release()
            self._publish(ev.SimSwitched(self._modem, SimSource.LOCAL, True, "remsimd stops", 0.0))

    async def _restore(self) -> None:
        entry = self._journal.read()
        if entry is not None and entry == JournalEntry(SimSource.REMOTE):
            self._source, self._shown_atr = SimSource.REMOTE, None
            self._publish(ev.SimFound(self._modem, SimSource.REMOTE))
            log.info("%s: was on the remote card, waiting for it to answer again", self._modem)
            await self._changed_before(clock.monotonic() + RESTORE_GRACE_S)
            return
        if entry is not None and entry.moving_to is not None:
            log.warning("%s: a switch to the %s card was cut short", self._modem, entry.moving_to)
            self._source, self._in_between = entry.source, True
        else:
            await self._switch.connect(Target(SimSource.LOCAL))
            self._journal.write(JournalEntry(SimSource.LOCAL))
            self._source = SimSource.LOCAL
        self._publish(ev.SimFound(self._modem, self._source))

    async def _changed_before(self, deadline_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline_s):
                await self._changed.wait()

    async def _move_unless_changed(self) -> None:
        """Start the move to the wanted card; a wish for another card ends it half-way."""
        wanted = self._wanted
        move = asyncio.create_task(self._move(wanted))
        try:
            while not move.done():
                changed = asyncio.create_task(self._changed.wait())
                await asyncio.wait((move, changed), return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if self._wanted is not wanted:
                    break
                self._changed.clear()
        finally:
            move.cancel()
            await asyncio.wait((move,))
        if not move.cancelled():
            move.result()

    async def _move(self, to: SimSource) -> None:
        if to is SimSource.REMOTE:
            await self._switch.modem_there()
        started, cause = clock.monotonic(), self._cause
        self._in_between = True
        atr = self._atr if to is SimSource.REMOTE else None
        target = Target(to, atr, self._expected_iccid() if to is SimSource.REMOTE else None)
        log.info("%s: moving to the %s card: %s", self._modem, to, cause)
        self._publish(ev.SimSwitching(self._modem, to, cause))
        try:
            await self._switch.move(self._source, target)
        except RemsimError as error:
            await self._give_up(to, str(error), started)
            return
        self._source, self._shown_atr, self._in_between = to, atr, False
        self._backoff = self._backoff.succeeded()
        took_s = clock.monotonic() - started
        self._publish(ev.SimSwitched(self._modem, to, True, cause, took_s))

    async def _give_up(self, to: SimSource, reason: str, started: float) -> None:
        """Back to the local card (there is nowhere to go back to from that), and a later attempt."""
        self._backoff = self._backoff.failed()
        delay_s = self._backoff.delay_s(random.random())  # noqa: S311 - jitter, not a secret
        self._not_before_s = clock.monotonic() + delay_s
        log.warning("%s: %s; trying again in %.0f s", self._modem, reason, delay_s)
        if to is SimSource.REMOTE:
            try:
                await self._switch.move(SimSource.REMOTE, Target(SimSource.LOCAL))
            except RemsimError as error:
                reason = f"{reason}; and on the way back: {error}"
        self._source, self._shown_atr, self._in_between = SimSource.LOCAL, None, False
        took_s = clock.monotonic() - started
        self._publish(ev.SimSwitched(self._modem, SimSource.LOCAL, False, reason, took_s))
