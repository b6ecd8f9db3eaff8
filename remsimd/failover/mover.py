"""Carries out what was decided: one move at a time, refusals tried again, everyone told."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass

from remsimd import clock
from remsimd.backoff import Backoff
from remsimd.errors import ControlError, RouteError
from remsimd.events import ActiveLinkChanged, Event
from remsimd.failover.routes import Route, Routing

_log = logging.getLogger(__name__)

_ANSWER_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """The link that should carry the data; `route` is None where it has no network device to move to.

    `evidence_s` is when the evidence for it came in, on the loop's clock.
    """

    link: str
    route: Route | None
    cause: str
    evidence_s: float


class Mover:
    """Keeps the routes as `wanted` says; it returns None while nothing can be moved."""

    def __init__(
        self, routing: Routing, *, wanted: Callable[[], Wanted | None], publish: Callable[[Event], None]
    ) -> None:
        self._routing = routing
        self._wanted = wanted
        self._publish = publish
        self._wake = asyncio.Event()
        self._stands = False
        self._waiting: list[asyncio.Future[str | None]] = []
        self.carrying: str | None = None
        self.route: Route | None = None
        self.failure: str | None = None

    def wake(self) -> None:
        """What is wanted may have changed."""
        self._wake.set()

    def lost(self, device: str) -> None:
        """The kernel has dropped the routes over this device."""
        if self.route is not None and self.route.device == device:
            self._stands = False

    async def run(self) -> None:
        """Work until cancelled, then remove what was installed."""
        backoff = Backoff(first_s=0.5, cap_s=30.0, jitter=0.0)
        installed = False
        try:
            while True:
                self._wake.clear()
                installed = await self._attempt(installed)
                backoff = backoff.succeeded() if self.failure is None else backoff.failed()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.delay_s(0.5) or None):
                        await self._wake.wait()
        finally:
            self._stands = False
            try:
                await self._routing.remove()
            except RouteError as error:
                _log.warning("routes and rules could not be removed: %s", error)

    async def arrived(self, link: str | None) -> None:
        """Wait until this link carries the data. ControlError when it cannot be moved, or after 5 s."""
        if self.carrying == link:
            return
        waiter: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(_ANSWER_LIMIT_S):
                failure = await waiter
        except TimeoutError as error:
            raise ControlError(f"the route was not moved within {_ANSWER_LIMIT_S:.0f} s") from error
        if failure is not None:
            raise ControlError(failure)

    async def _attempt(self, installed: bool) -> bool:
        """Try once; whether the rules are in place afterwards."""
        try:
            if not installed:
                await self._routing.install()
                installed = True
            await self._carry_out()
            self.failure = None
        except RouteError as error:
            self._stands = False
            level = logging.DEBUG if str(error) == self.failure else logging.WARNING
            self.failure = str(error)
            _log.log(level, "the route cannot be moved: %s", error)
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(self.failure)
        self._waiting.clear()
        return installed

    async def _carry_out(self) -> None:
        wanted = self._wanted()
        if wanted is None:
            return
        left = self.route
        if wanted.route is not None and not (self._stands and wanted.route == self.route):
            # Noted before it is done: the kernel may take the route away again meanwhile.
            self.route, self._stands = wanted.route, True
            await self._routing.move(wanted.route)
        if wanted.link != self.carrying:
            previous, self.carrying = self.carrying, wanted.link
            took_s = clock.monotonic() - wanted.evidence_s
            self._publish(ActiveLinkChanged(previous, wanted.link, wanted.cause, took_s))
        if left is not None and self.route is not None and left.device != self.route.device:
            await self._routing.flush(left)
