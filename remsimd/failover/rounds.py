"""The data-plane witness of one link: rounds of probes, and the traffic that makes them needless."""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from remsimd import clock
from remsimd.config.model import FailoverConfig, ProbeTarget
from remsimd.events import Event, LinkHealth, ProbeDone, TrafficRead
from remsimd.failover import counters
from remsimd.failover.counters import SAMPLE_S, SILENT_S, Reading, Traffic
from remsimd.failover.health import LinkState, RoundDone, Silence, pause_s
from remsimd.failover.probe import Prober

_log = logging.getLogger(__name__)


class Rounds:
    """Asks and listens on one link for as long as `run()` runs.

    `state` and `device` give the link's state and network device now, `hurried` whether anything
    at all is suspicious; what is found goes to `report`, in the order in which rounds began.
    """

    def __init__(
        self,
        link: str,
        config: FailoverConfig,
        prober: Prober,
        *,
        state: Callable[[], LinkState],
        device: Callable[[], str | None],
        hurried: Callable[[], bool],
        report: Callable[[RoundDone | Silence], None],
        publish: Callable[[Event], None],
        read: Callable[[str], Reading | None] = counters.read,
    ) -> None:
        self._link = link
        self._config = config
        self._prober = prober
        self._state = state
        self._device = device
        self._hurried = hurried
        self._report = report
        self._publish = publish
        self._read = read
        self._poked = asyncio.Event()
        self._number = 0
        self._settled = 0
        self._started_s: float | None = None
        self._unanswered = False
        self._traffic: Traffic | None = None
        self._published_s: float | None = None

    def poke(self) -> None:
        """Something changed: when the next round is due is worked out anew."""
        self._poked.set()

    def restart(self) -> None:
        """The device or its network is another one: rounds under way no longer count, a new one begins."""
        self._settled = self._number
        self._started_s = None
        self._traffic = None
        self._poked.set()

    async def run(self) -> None:
        """Probe and read counters until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._sample_for_ever())
            while True:
                device = await self._due()
                self._started_s = clock.monotonic()
                self._unanswered = False
                if self._proves_itself(self._started_s):
                    self._report(RoundDone(True, "payload arrives"))
                    continue
                self._number += 1
                # Not awaited: while answers are missing the next round begins before this one ends.
                group.create_task(self._round(self._number, device))

    async def _due(self) -> str:
        """Wait until a round is due; the device to use."""
        while True:
            due_s: float | None = None
            device, pause = self._device(), pause_s(self._state(), self._config)
            if device is None or pause is None:
                self._started_s = None
            else:
                if self._unanswered or self._hurried():
                    pause = min(pause, self._config.fast_interval_s)
                now = clock.monotonic()
                due_s = now if self._started_s is None else self._started_s + pause
                if due_s <= now:
                    return device
            self._poked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._poked.wait()

    async def _round(self, number: int, device: str) -> None:
        loop = asyncio.get_running_loop()
        # Waiting for the whole timeout before the next round begins would make every detection
        # longer by it; a second without any answer is reason enough to ask again.
        impatient = loop.call_later(SILENT_S, self._miss, number)

        def answered(target: ProbeTarget, rtt_s: float) -> None:
            impatient.cancel()

        try:
            rtts_s = await self._prober.round(device, self._config.targets, self._config.timeout_s, answered)
        finally:
            impatient.cancel()
        if number <= self._settled:
            return
        for target, rtt_s in zip(self._config.targets, rtts_s, strict=True):
            self._publish(ProbeDone(self._link, str(target), rtt_s))
        answers = sum(rtt_s is not None for rtt_s in rtts_s)
        self._judge(number, passed=answers >= min(self._config.reliability, len(rtts_s)))

    def _miss(self, number: int) -> None:
        if number == self._number and number > self._settled:
            self._unanswered = True
            self._poked.set()

    def _judge(self, number: int, *, passed: bool) -> None:
        if not passed:
            self._report(RoundDone(False, "no answer"))
            return
        # Rounds that began earlier and are still waiting have been overtaken by this answer.
        self._settled = number
        # Only a silence that no probe confirmed was normal; the end of a black hole excuses nothing.
        if self._traffic is not None and self._state().silent:
            self._traffic = self._traffic.excused(clock.monotonic())
        self._report(RoundDone(True, "answers come back"))

    def _proves_itself(self, now: float) -> bool:
        """Payload is arriving right now, so nothing needs to be sent to know that it can."""
        traffic = self._traffic
        return (
            self._state().health is LinkHealth.UP
            and traffic is not None
            and traffic.restless(now)
            and traffic.received_s is not None
            and now - traffic.received_s <= SILENT_S
        )

    async def _sample_for_ever(self) -> None:
        while True:
            now = clock.monotonic()
            self._sample(now)
            restless = self._traffic is not None and self._traffic.restless(now)
            await asyncio.sleep(SAMPLE_S if restless else self._config.interval_s)

    def _sample(self, now: float) -> None:
        device = self._device()
        reading = self._read(device) if device is not None else None
        if reading is None:
            self._traffic = None
            return
        self._traffic = (
            Traffic(reading, now) if self._traffic is None else counters.watch(self._traffic, reading, now)
        )
        if self._published_s is None or now - self._published_s >= self._config.interval_s:
            self._published_s = now
            self._publish(TrafficRead(self._link, reading.rx_bytes, reading.tx_bytes))
        if self._traffic.silent(now) and not self._state().silent:
            self._started_s = None  # ask at once, however lately the last round was
            self._report(Silence())
            self._poked.set()
