"""The data-plane witness of one link: rounds of probes, and the traffic that makes them needless."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol

from remsimd import clock
from remsimd.config.model import FailoverConfig, ProbeTarget
from remsimd.events import Event, LinkHealth, ProbeDone, TrafficRead
from remsimd.failover import counters
from remsimd.failover.counters import CALM_SAMPLE_S, SAMPLE_S, SILENT_S, Reading, Traffic
from remsimd.failover.health import LinkState, RoundDone, Silence, pause_s
from remsimd.failover.probe import Prober, wire_bytes

LATE_S = 4.0
"""An answer that comes after the round's timeout, but within this time, still shows that the link
works: full buffers delay for seconds, and latency alone must not fail a link."""


class Purse(Protocol):
    """What a link's rounds may cost; see `accounts.Accounts`."""

    def charge(self, link: str, count: int) -> None: ...

    def pause_s(self, link: str, plain_s: float, cost_bytes: int, *, urgent: bool) -> float | None: ...


class Unlimited:
    """The purse of links without a data limit."""

    def charge(self, link: str, count: int) -> None:
        """Count nothing."""

    def pause_s(self, link: str, plain_s: float, cost_bytes: int, *, urgent: bool) -> float | None:
        """Never ask for a longer pause."""
        return plain_s


class Rounds:
    """Asks and listens on one link for as long as `run()` runs.

    `state` and `device` give the link's state and network device now, `hurried` whether anything
    at all is suspicious, `standby` whether another link carries the data; what is found goes to
    `report`, in the order in which rounds began. A link that works and stands by is asked through
    as few targets as `reliability` needs, those that answered last; `purse` says what may be spent.
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
        standby: Callable[[], bool] = lambda: False,
        purse: Purse | None = None,
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
        self._standby = standby
        self._purse = Unlimited() if purse is None else purse
        self._read = read
        self._targets = config.targets
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

    def counted(self) -> None:
        """Something else has just shown what a round would have shown."""
        self._started_s = clock.monotonic()

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
                device, affordable = await self._due()
                self._started_s = clock.monotonic()
                self._unanswered = False
                if not affordable:
                    self._listen_only(self._started_s)
                elif self._proves_itself(self._started_s):
                    self._report(RoundDone(True, "payload arrives"))
                else:
                    self._number += 1
                    # Not awaited: while answers are missing the next round begins before this one ends.
                    group.create_task(self._round(self._number, device, self._asked()))

    async def _due(self) -> tuple[str, bool]:
        """Wait until a round is due; the device to use, and whether probes may be sent for it."""
        while True:
            due_s: float | None = None
            device = self._device()
            pause, affordable = self._pause()
            if device is None or pause is None:
                self._started_s = None
            else:
                now = clock.monotonic()
                due_s = now if self._started_s is None else self._started_s + pause
                if due_s <= now:
                    return device, affordable
            self._poked.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._poked.wait()

    def _pause(self) -> tuple[float | None, bool]:
        """Seconds between the starts of rounds now, None for none at all; whether probes are affordable."""
        state = self._state()
        pause = pause_s(state, self._config, standby=self._standby())
        if pause is None:
            return None, False
        if self._unanswered or self._hurried():
            pause = min(pause, self._config.fast_interval_s)
        cost = sum(wire_bytes(target, answered=True) for target in self._asked())
        urgent = pause < self._config.interval_s
        affordable = self._purse.pause_s(self._link, pause, cost, urgent=urgent)
        return (pause, False) if affordable is None else (affordable, True)

    def _asked(self) -> tuple[ProbeTarget, ...]:
        """The targets of the next round: few where a single answer would only confirm what is known."""
        calm = self._standby() and self._state().health is LinkHealth.UP and not self._unanswered
        return self._targets[: self._config.reliability] if calm else self._targets

    async def _round(self, number: int, device: str, targets: tuple[ProbeTarget, ...]) -> None:
        loop = asyncio.get_running_loop()
        needed = min(self._config.reliability, len(targets))
        # Waiting for the whole timeout before the next round begins would make every detection
        # longer by it; a second without any answer is reason enough to ask again.
        timers = (
            loop.call_later(SILENT_S, self._miss, number),
            loop.call_later(self._config.timeout_s, self._judge, number, False),
        )
        good: list[ProbeTarget] = []

        def answered(target: ProbeTarget, rtt_s: float) -> None:
            timers[0].cancel()
            good.append(target)
            if len(good) == needed:
                timers[1].cancel()
                self._judge(number, passed=True)

        try:
            patience_s = max(self._config.timeout_s, LATE_S)
            rtts_s = await self._prober.round(device, targets, patience_s, answered)
        finally:
            for timer in timers:
                timer.cancel()
        if len(good) < needed and loop.time() < timers[1].when():
            self._judge(number, passed=False)  # nothing could be sent
        for target, rtt_s in zip(targets, rtts_s, strict=True):
            self._purse.charge(self._link, wire_bytes(target, answered=rtt_s is not None))
            self._publish(ProbeDone(self._link, str(target), rtt_s))
        if good:
            # Those that answered come first, so that a dead one is not asked alone again and again.
            self._targets = tuple(sorted(self._targets, key=lambda target: target not in good))

    def _miss(self, number: int) -> None:
        if number == self._number and number > self._settled:
            self._unanswered = True
            self._poked.set()

    def _judge(self, number: int, passed: bool) -> None:
        if number <= self._settled:
            return
        if not passed:
            self._report(RoundDone(False, "no answer"))
            return
        # Rounds that began earlier and are still waiting have been overtaken by this answer.
        self._settled = number
        # Only a silence that no probe confirmed was normal; the end of a black hole excuses nothing.
        if self._traffic is not None and self._state().silent:
            self._traffic = self._traffic.excused(clock.monotonic())
        self._report(RoundDone(True, "answers come back"))

    def _listen_only(self, now: float) -> None:
        """A round of passive evidence; where nothing moves it says nothing."""
        traffic = self._traffic
        if traffic is None:
            return
        if traffic.silent(now):
            self._report(RoundDone(False, "sending, nothing comes back"))
        elif traffic.received_s is not None and now - traffic.received_s <= self._config.interval_s:
            self._report(RoundDone(True, "payload arrives"))

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
            await asyncio.sleep(SAMPLE_S if restless else CALM_SAMPLE_S)

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
