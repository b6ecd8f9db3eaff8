"""Which way management traffic takes, who pays for it, and when RSPRO has to connect anew."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remsimd import netifd
from remsimd.bus import Bus
from remsimd.config.model import FailoverConfig, ModemConfig, Role
from remsimd.errors import OrchestratorError
from remsimd.events import LinkHealth, LinkHealthChanged
from remsimd.failover.accounts import Accounts, limits_of
from remsimd.failover.engine import FailoverEngine, LinkConfig
from remsimd.net import TrafficBytes
from remsimd.ways import RsproWay, Ways
from tests.failover.fakes import FakeAir, FakeKernel, FakeRouting, facts

MODEMS = (
    ModemConfig(name="m1", interface="wwan0"),
    ModemConfig(name="m2", role=Role.SECONDARY, interface="wwan1", data_limit_mb=10),
)


@pytest.fixture
def no_netifd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Network devices are the folders made here, and nobody else can be asked."""
    monkeypatch.setattr(netifd, "SYS_CLASS_NET", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


async def test_without_an_engine_the_configured_interface_is_the_way(no_netifd: Path) -> None:
    ways = Ways(MODEMS, engine=lambda: None, accounts=lambda: None)
    assert ways.device("secondary") is None
    (no_netifd / "wwan1").mkdir()
    assert (ways.device("secondary"), ways.device("m2"), ways.device("any")) == ("wwan1", "wwan1", None)
    assert (ways.link("secondary"), ways.link("any")) == ("m2", None)
    assert ways.metered("secondary")
    assert not ways.metered("primary")
    await asyncio.sleep(0.05)


class Client:
    """Counts how often it has to reconnect."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def reconnect(self, reason: str) -> None:
        self.reasons.append(reason)


class Router:
    """An engine over a fake kernel, and everything that depends on it."""

    def __init__(self, folder: Path) -> None:
        self.bus, self.kernel = Bus(), FakeKernel(facts("wwan0", 0), facts("wwan1", 1))
        self.accounts = Accounts(limits_of(MODEMS), folder, publish=self.bus.publish)
        self.engine = FailoverEngine(
            FailoverConfig(interval_s=0.05, fast_interval_s=0.02, up=2),
            [LinkConfig("m1", "wwan0", 2), LinkConfig("m2", "wwan1", 1)],
            routing=FakeRouting(),
            prober=FakeAir(rtt_s=0.001),
            netlink=self.kernel,
            publish=self.bus.publish,
        )
        self.ways = Ways(MODEMS, engine=lambda: self.engine, accounts=lambda: self.accounts)
        self.client = Client()
        self.way = RsproWay("secondary", self.ways, bus=self.bus, client=lambda: self.client)  # type: ignore[arg-type,return-value] # only reconnect() is needed of the client

    async def health(self, link: str, health: LinkHealth) -> None:
        async with asyncio.timeout(5):
            while self.engine.health(link) is not health:
                await asyncio.sleep(0.005)


@pytest.fixture
async def router(tmp_path: Path) -> AsyncIterator[Router]:
    made = Router(tmp_path)
    tasks = [asyncio.create_task(work) for work in (made.engine.run(), made.way.run())]
    with made.bus.listen(made.engine.on_event):
        for link in ("m1", "m2"):
            await made.health(link, LinkHealth.UP)
        yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_rspro_moves_with_its_via_and_returns(router: Router) -> None:
    router.bus.publish(LinkHealthChanged("m2", LinkHealth.UP, "nothing was opened yet"))
    assert router.client.reasons == []
    with pytest.raises(OSError, match=r"wwan1|CAP_NET_RAW"):
        await router.way.open("127.0.0.1", 1)
    router.kernel.say(facts("wwan1", 1, carrier=False))
    await router.health("m2", LinkHealth.DOWN)
    assert router.client.reasons == ["the way moves from wwan1 to wwan0"]
    router.kernel.say(facts("wwan0", 0, carrier=False))
    await router.health("m1", LinkHealth.DOWN)
    router.kernel.say(facts("wwan1", 1))
    await router.health("m2", LinkHealth.UP)
    assert router.client.reasons[-1] == "the way moves from wwan0 to wwan1"


async def test_what_goes_over_a_metered_link_is_charged_to_it(router: Router) -> None:
    router.ways.charge("wwan1", TrafficBytes(300, 200))
    router.ways.charge("wwan0", TrafficBytes(300, 200))
    router.ways.charge(None, TrafficBytes(300, 200))
    assert router.accounts.spent_bytes("m2") == 500
    assert (router.ways.device("secondary"), router.ways.link("secondary")) == ("wwan1", "m2")
    assert router.ways.metered("secondary")


async def test_a_bank_that_cannot_be_reached_is_asked_about_after_five_failures(no_netifd: Path) -> None:
    asked = asyncio.Event()
    count = 0

    async def other_slot() -> None:
        nonlocal count
        count += 1
        asked.set()
        raise OrchestratorError("none is free")

    ways = Ways((), engine=lambda: None, accounts=lambda: None)
    way = RsproWay("any", ways, bus=Bus(), client=lambda: None, other_slot=other_slot)
    task = asyncio.create_task(way.run())
    for _ in range(4):
        with pytest.raises(OSError, match="Connect call failed"):
            await way.open("127.0.0.1", 1)
    await asyncio.sleep(0)
    assert count == 0
    for _ in range(5):
        with pytest.raises(OSError, match="Connect call failed"):
            await way.open("127.0.0.1", 1)
    async with asyncio.timeout(5):
        await asked.wait()
    assert count == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
