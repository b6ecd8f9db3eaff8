"""One modem's SIM: which card it should see, and the way there."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

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
    """What a person wants of a modem's cards."""

    AUTO = "auto"
    """The remote card while there is one, else the local card."""
    LOCAL = "local"
    """A person wants the local card."""


@dataclass(frozen=True, slots=True)
class Offered:
    """One remote card; a card that left and came back, with the same ATR, is another one."""

    number: int
    atr: bytes


class SimSlot:
    """Keeps one modem on the card it should be on; `offer` and `withdraw` come from the bank.

    Both return at once: the latest wish wins, and the switch runs in the task of `run`.
    `expected_iccid` is asked at each switch to the remote card. `in_turn` is entered before each
    switch and left when it was told: it may wait for what must not happen at the same time. A
    switch that fails goes back to the local card and is tried again, later each time.
    """

    def __init__(
        self,
        modem: str,
        *,
        switch: SimSwitch,
        journal: Journal,
        expected_iccid: Callable[[], str | None],
        publish: Callable[[ev.Event], None],
        in_turn: Callable[[], AbstractAsyncContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self._modem = modem
        self._switch = switch
        self._journal = journal
        self._expected_iccid = expected_iccid
        self._publish = publish
        self._in_turn = in_turn
        self._mode = SimMode.AUTO
        self._offers = 0
        self._offered: Offered | None = None
        self._shown: Offered | None = None
        self._cause = "start"
        self._source = SimSource.LOCAL
        self._in_between = False
        self._kept_off = False
        self._fallen_back = False
        self._changed = asyncio.Event()
        self._backoff = Backoff(first_s=60.0, cap_s=900.0)
        self._not_before_s = 0.0

    # What others want

    def offer(self, atr: bytes) -> None:
        """The bank's card answers with `atr`, from its beginning: the modem may have it."""
        self._offers += 1
        self._offered = Offered(self._offers, atr)
        self._wish("the remote card is there")

    def withdraw(self, reason: str) -> None:
        """The bank's card is gone for longer than the modem can be held."""
        self._offered = None
        self._wish(reason)

    def use(self, mode: SimMode) -> None:
        """What a person wants, until told otherwise."""
        self._mode = mode
        self._fallen_back = False
        self._backoff = self._backoff.succeeded()
        self._wish(f"asked for {mode}")

    def fall_back(self) -> None:
        """Be on the local card for now: the modem finds no network with the remote one."""
        self._fallen_back = True
        self._wish("the remote card brings no network")

    def end_fallback(self) -> None:
        """The remote card gets another chance, unless a person has wished for something since."""
        if self._fallen_back:
            self._fallen_back = False
            self._wish("the remote card gets another chance")

    @property
    def uses_remote(self) -> bool:
        """Whether the modem is on the remote card, on its way between cards, or about to be."""
        return self._wanted is not None or self._in_between or self._source is SimSource.REMOTE

    @contextlib.contextmanager
    def kept_off(self) -> Iterator[None]:
        """While somebody else uses the remote card: a modem that is not on it does not move there."""
        self._kept_off = True
        try:
            yield
        finally:
            self._kept_off = False
            self._changed.set()

    @property
    def needs_modem(self) -> bool:
        """Whether the modem's own slots are the switch."""
        return self._switch.needs_modem

    def _wish(self, cause: str) -> None:
        self._cause = cause
        self._not_before_s = 0.0
        self._changed.set()

    @property
    def _wanted(self) -> Offered | None:
        """The remote card to be on, None for the local one."""
        away = self._mode is not SimMode.AUTO or self._fallen_back or self._kept_off
        return None if away else self._offered

    @property
    def _settled(self) -> bool:
        if self._in_between or self._source is not _source(self._wanted):
            return False
        return self._source is SimSource.LOCAL or self._shown == self._wanted

    # The way there

    async def run(self) -> None:
        """Follow the wishes; returns only by being cancelled."""
        await self._restore()
        while True:
            self._changed.clear()
            if self._settled and self._switch.asleep:
                await self._unless_changed(self._switch.wake(), self._wanted)
            elif self._settled:
                await self._changed.wait()
            elif clock.monotonic() < self._not_before_s:
                await self._changed_before(self._not_before_s)
            else:
                await self._unless_changed(self._move(self._wanted), self._wanted)

    async def release(self) -> None:
        """Leave the modem on its local card because the daemon stops; `run` has ended before."""
        if self._in_between or self._source is SimSource.REMOTE:
            wired = await self._switch.release(self._source)
            source = SimSource.LOCAL if wired else self._source
            self._publish(ev.SimSwitched(self._modem, source, wired, "remsimd stops", 0.0))

    async def _restore(self) -> None:
        entry = self._journal.read()
        if entry is not None and entry == JournalEntry(SimSource.REMOTE):
            self._source, self._shown = SimSource.REMOTE, None
            self._publish(ev.SimFound(self._modem, SimSource.REMOTE))
            log.info("%s: was on the remote card, waiting for it to answer again", self._modem)
            await self._changed_before(clock.monotonic() + RESTORE_GRACE_S)
            return
        if entry is not None and entry.moving_to is not None:
            log.warning("%s: a switch to the %s card was cut short", self._modem, entry.moving_to)
            self._source, self._in_between = entry.source, True
        else:
            await self._restore_local()
        self._publish(ev.SimFound(self._modem, self._source))

    async def _restore_local(self) -> None:
        """The wiring as for the local card; where it does not obey, that is tried again later."""
        self._source = SimSource.LOCAL
        if self._switch.needs_modem:
            await self._switch.modem_there()
        try:
            await self._switch.connect(Target(SimSource.LOCAL))
        except RemsimError as error:
            self._in_between = True
            self._put_off(str(error))
        else:
            self._journal.write(JournalEntry(SimSource.LOCAL))

    async def _changed_before(self, deadline_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline_s):
                await self._changed.wait()

    async def _unless_changed(self, work: Coroutine[Any, Any, None], wanted: Offered | None) -> None:
        """Do this for the wanted card; a wish for another card ends it half-way."""
        task = asyncio.create_task(work)
        try:
            while not task.done():
                changed = asyncio.create_task(self._changed.wait())
                try:
                    await asyncio.wait((task, changed), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changed.cancel()
                if self._wanted != wanted:
                    break
                self._changed.clear()
        finally:
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.result()

    async def _move(self, wanted: Offered | None) -> None:
        to = _source(wanted)
        if wanted is not None or self._switch.needs_modem:
            await self._switch.modem_there()
        async with self._in_turn():
            started, cause = clock.monotonic(), self._cause
            self._in_between = True
            log.info("%s: moving to the %s card: %s", self._modem, to, cause)
            self._publish(ev.SimSwitching(self._modem, to, cause))
        target = Target(to) if wanted is None else Target(to, wanted.atr, self._expected_iccid())
        try:
            trouble = await self._switch.move(self._source, target)
        except RemsimError as error:
            await self._give_up(to, str(error), started)
            return
        self._source, self._shown, self._in_between = to, wanted, False
        self._backoff = self._backoff.succeeded()
        took_s = clock.monotonic() - started
        self._publish(ev.SimSwitched(self._modem, to, trouble is None, trouble or cause, took_s))

    async def _give_up(self, to: SimSource, reason: str, started: float) -> None:
        """Back to the local card, and a later attempt; wiring that does not obey is tried again too."""
        self._put_off(reason)
        self._shown = None
        if to is SimSource.REMOTE:
            try:
                await self._switch.move(SimSource.REMOTE, Target(SimSource.LOCAL))
            except RemsimError as error:
                reason = f"{reason}; and on the way back: {error}"
            else:
                self._source, self._in_between = SimSource.LOCAL, False
        took_s = clock.monotonic() - started
        self._publish(ev.SimSwitched(self._modem, self._source, False, reason, took_s))

    def _put_off(self, reason: str) -> None:
        self._backoff = self._backoff.failed()
        delay_s = self._backoff.delay_s(random.random())  # noqa: S311 - jitter, not a secret
        self._not_before_s = clock.monotonic() + delay_s
        log.warning("%s: %s; trying again in %.0f s", self._modem, reason, delay_s)


def _source(wanted: Offered | None) -> SimSource:
    return SimSource.LOCAL if wanted is None else SimSource.REMOTE
