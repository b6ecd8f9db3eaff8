"""When rounds begin and what they report, in virtual time."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from remsimd import clock
from remsimd.config.model import FailoverConfig, ProbeTarget
from remsimd.events import Event, LinkHealth, ProbeDone, TrafficRead
from remsimd.failover.counters import Reading
from remsimd.failover.health import KernelSays, LinkState, RoundDone, Silence, initial, observe
from remsimd.failover.rounds import Purse, Rounds
from tests.failover.fakes import FakeAir
from tests.virtual import run

CONFIG = FailoverConfig()


@dataclass
class Bench:
    """One link's rounds over a fake air, with its health kept as the engine keeps it."""

    air: FakeAir = field(default_factory=FakeAir)
    config: FailoverConfig = CONFIG
    reading: Reading = field(default_factory=lambda: Reading(0, 0))
    reports: list[tuple[float, RoundDone | Silence]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    device: str | None = "wwan0"
    suspicious: bool = False
    standing_by: bool = False
    state_up: bool = False
    purse: Purse | None = None
    worst_failed: int = 0

    def __post_init__(self) -> None:
        self.state: LinkState = observe(initial(), KernelSays(None), 0.0, self.config)
        if self.state_up:
            self.state = observe(self.state, RoundDone(True, "before"), 0.0, self.config)
        self.rounds = Rounds(
            "primary",
            self.config,
            self.air,
            state=lambda: self.state,
            device=lambda: self.device,
            hurried=lambda: self.suspicious,
            report=self._report,
            publish=self.events.append,
            standby=lambda: self.standing_by,
            purse=self.purse,
            read=lambda _: self.reading,
        )

    def _report(self, evidence: RoundDone | Silence) -> None:
        self.reports.append((clock.monotonic(), evidence))
        self.state = observe(self.state, evidence, clock.monotonic(), self.config)
        self.worst_failed = max(self.worst_failed, self.state.failed_rounds)
        self.rounds.poke()

    @property
    def failed_at(self) -> list[float]:
        return [round(at, 2) for at, evidence in self.reports if evidence == RoundDone(False, "no answer")]

    async def running(self, seconds: float) -> None:
        """Run for so long, then stop."""
        task = asyncio.create_task(self.rounds.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Refusal:
    """The purse of a link whose month is spent."""

    def charge(self, link: str, count: int) -> None:
        raise AssertionError("nothing was to be sent")

    def pause_s(self, link: str, plain_s: float, cost_bytes: int, *, urgent: bool) -> float | None:
        return None


@dataclass
class Counting:
    """A purse that only counts."""

    spent: int = 0

    def charge(self, link: str, count: int) -> None:
        self.spent += count

    def pause_s(self, link: str, plain_s: float, cost_bytes: int, *, urgent: bool) -> float | None:
        return plain_s


def test_rounds_run_at_the_normal_interval_while_all_is_well() -> None:
    bench = Bench()
    run(bench.running(21))
    assert [at for at, _ in bench.air.asked] == [0, 5, 10, 15, 20]
    assert [type(event) for event in bench.events].count(ProbeDone) == 10


def test_all_targets_dead_is_found_in_three_and_a_half_seconds_of_the_first_probe() -> None:
    bench = Bench()

    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        await asyncio.sleep(1)
        bench.air.dead.add("wwan0")
        await asyncio.sleep(8)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    assert [at for at, _ in bench.air.asked][:4] == [0, 5, 6, 7]
    assert bench.failed_at[:3] == [6.5, 7.5, 8.5]


def test_everyone_is_hurried_by_a_suspicion_elsewhere() -> None:
    bench = Bench()

    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        await asyncio.sleep(2)
        bench.suspicious = True
        bench.rounds.poke()
        await asyncio.sleep(2.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    assert [at for at, _ in bench.air.asked] == [0, 2, 3, 4]


def test_an_answer_overtakes_the_rounds_still_waiting() -> None:
    bench = Bench()

    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        await asyncio.sleep(1)
        bench.air.dead.add("wwan0")
        await asyncio.sleep(4.5)
        bench.air.dead.clear()
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    # The probe of 5.0 s was lost, the one of 6.0 s was answered before the first one's time was out.
    assert bench.failed_at == []


def test_rounds_of_an_earlier_network_do_not_count() -> None:
    bench = Bench(air=FakeAir(dead={"wwan0"}))

    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        await asyncio.sleep(0.5)
        bench.air.dead.clear()
        bench.rounds.restart()
        await asyncio.sleep(3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    assert [at for at, _ in bench.air.asked] == [0, 0.5]
    assert [evidence for _, evidence in bench.reports] == [RoundDone(True, "answers come back")]


def test_nothing_is_sent_without_a_device() -> None:
    bench = Bench(device=None)
    run(bench.running(60))
    assert bench.air.asked == []


def test_a_slow_link_is_asked_more_often_but_stays_up() -> None:
    bench = Bench(air=FakeAir(rtt_s=1.2))
    run(bench.running(60))
    assert all(evidence == RoundDone(True, "answers come back") for _, evidence in bench.reports)


def test_latency_of_three_seconds_does_not_fail_a_link() -> None:
    bench = Bench(air=FakeAir(rtt_s=3.0), state_up=True)
    run(bench.running(120))
    assert any(not evidence.passed for _, evidence in bench.reports if isinstance(evidence, RoundDone))
    assert bench.worst_failed == 2


def test_a_link_that_stands_by_is_asked_rarely_and_through_one_target() -> None:
    bench = Bench(standing_by=True)
    run(bench.running(245))
    assert [at for at, _ in bench.air.asked] == [0, 120, 240]
    assert bench.air.targets == [CONFIG.targets, CONFIG.targets[:1], CONFIG.targets[:1]]


def test_a_dead_target_is_not_asked_alone_again_and_again() -> None:
    bench = Bench(standing_by=True)
    bench.air.mute = {CONFIG.targets[0]}
    run(bench.running(600))
    assert bench.air.targets[1:] == [CONFIG.targets[1:]] * (len(bench.air.targets) - 1)
    assert bench.failed_at == []


def test_what_the_purse_refuses_is_not_sent_and_passive_evidence_remains() -> None:
    bench = Bench(purse=Refusal())
    with_traffic(bench, (10, 20_000, 2_000), (5, 0, 2_000))
    assert bench.air.asked == []
    assert bench.reports[0][1] == RoundDone(True, "payload arrives")
    assert RoundDone(False, "sending, nothing comes back") in [evidence for _, evidence in bench.reports]
    assert bench.state.health is LinkHealth.DOWN


def test_every_probe_is_charged() -> None:
    purse = Counting()
    bench = Bench(purse=purse)
    run(bench.running(21))
    assert purse.spent == 5 * 2 * 72
    purse = Counting()
    run(Bench(purse=purse, air=FakeAir(dead={"wwan0"})).running(4.5))
    assert purse.spent == 2 * 36


def test_what_cannot_be_sent_fails_at_once() -> None:
    class Unreachable(FakeAir):
        async def round(
            self,
            device: str,
            targets: Sequence[ProbeTarget],
            timeout_s: float,
            answered: Callable[[ProbeTarget, float], None],
        ) -> tuple[float | None, ...]:
            return tuple(None for _ in targets)

    bench = Bench(air=Unreachable())
    run(bench.running(0.5))
    assert bench.failed_at == [0]


def test_reliability_is_never_more_than_there_are_targets() -> None:
    bench = Bench(config=FailoverConfig(reliability=9))
    run(bench.running(1))
    assert [evidence for _, evidence in bench.reports] == [RoundDone(True, "answers come back")]


async def traffic(bench: Bench, seconds: float, *, rx: int, tx: int) -> None:
    """Move the counters by so many bytes a tenth of a second."""
    for _ in range(round(seconds * 10)):
        bench.reading = Reading(bench.reading.rx_bytes + rx, bench.reading.tx_bytes + tx)
        await asyncio.sleep(0.1)


def with_traffic(bench: Bench, *phases: tuple[float, int, int]) -> None:
    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        for seconds, rx, tx in phases:
            bench.air.dead = {"wwan0"} if tx and not rx else set()
            await traffic(bench, seconds, rx=rx, tx=tx)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())


def test_flowing_payload_makes_probes_needless() -> None:
    bench = Bench()
    with_traffic(bench, (60, 20_000, 2_000))
    assert len(bench.air.asked) <= 3
    assert bench.reports[-1][1] == RoundDone(True, "payload arrives")
    assert [type(event) for event in bench.events].count(TrafficRead) == 12


def test_a_black_hole_under_traffic_is_found_within_four_seconds() -> None:
    bench = Bench()
    with_traffic(bench, (20, 20_000, 2_000), (6, 0, 2_000))
    down_at = [at for at, _ in bench.reports if at > 20]
    assert any(evidence == Silence() for _, evidence in bench.reports)
    assert bench.failed_at[1] <= 23.8
    assert down_at[0] <= 21.25


def test_a_thin_stream_is_watched_as_closely() -> None:
    bench = Bench()
    with_traffic(bench, (60, 180, 180), (6, 0, 180))
    assert bench.failed_at[1] <= 63.8


def test_a_black_hole_right_after_traffic_began_is_found_as_fast() -> None:
    bench = Bench()
    with_traffic(bench, (21, 0, 0), (1.5, 20_000, 2_000), (6, 0, 2_000))
    assert bench.failed_at[1] <= 22.5 + 3.8


def test_a_second_black_hole_soon_after_the_first_is_found_as_fast() -> None:
    bench = Bench()
    with_traffic(bench, (20, 20_000, 2_000), (10, 0, 2_000), (10, 20_000, 2_000), (6, 0, 2_000))
    second = [at for at, evidence in bench.reports if evidence == Silence() and at > 40]
    assert second[0] <= 41.5


def test_a_stream_that_expects_no_answer_is_asked_about_now_and_then() -> None:
    bench = Bench()
    bench.air.dead.clear()

    async def story() -> None:
        task = asyncio.create_task(bench.rounds.run())
        await traffic(bench, 120, rx=0, tx=20_000)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(story())
    silences = [at for at, evidence in bench.reports if evidence == Silence()]
    assert 1 <= len(silences) <= 5
    assert bench.failed_at == []
