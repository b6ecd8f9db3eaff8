"""Routes and rules in a real kernel, and the commands given to programs that need a router."""

import stat
from pathlib import Path

import pytest

from remsimd.config.model import Routing
from remsimd.errors import RouteError
from remsimd.failover.links import Hop, LinkFacts
from remsimd.failover.routes import (
    GATE_TABLE,
    PREFERENCE,
    ROUTE_TABLE,
    Mwan3Routing,
    NoRouting,
    PolicyRouting,
    Route,
    route_over,
    routing_for,
)
from simlab.links import SERVICE_ADDRESS, World, ip
from tests.failover.conftest import output, within

OVER_FIRST = Route("wwan0", "wwan0", Hop("10.64.0.1"), None, ("10.64.0.2",))
OVER_SECOND = Route("wwan1", "wwan1", Hop("10.64.1.1"), None, ("10.64.1.2",))
LAN_HOST = "192.168.77.2"


async def way(world: World, *more: str, to: str = SERVICE_ADDRESS) -> str:
    return await output(*world.exec(["ip", "route", "get", to, *more]))


async def rules(world: World, family: str = "-4") -> str:
    return await output(*world.exec(["ip", family, "rule"]))


async def with_lan(world: World) -> None:
    """Give the router a LAN that it forwards for."""
    await ip("-n", world.router, "link", "add", "lan0", "type", "veth", "peer", "name", "host0")
    await ip("-n", world.router, "address", "add", "192.168.77.1/24", "dev", "lan0")
    for device in ("lan0", "host0"):
        await ip("-n", world.router, "link", "set", device, "up")
    await output(*world.exec(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"]))


async def test_moves_go_where_they_should(world: World) -> None:
    routing = PolicyRouting()

    async def move(route: Route) -> None:
        async def work() -> None:
            await routing.install()
            await routing.move(route)

        await within(world, work)

    assert "dev wwan0" in await way(world)
    await move(OVER_SECOND)
    assert "via 10.64.1.1 dev wwan1" in await way(world)
    # Probes of the other link and answers to its addresses do not depend on the active one.
    assert "via 10.64.0.1 dev wwan0" in await way(world, "oif", "wwan0")
    # Neighbours are reached directly as ever.
    assert "dev wwan0" in await way(world, to="10.64.0.1")
    await move(OVER_FIRST)
    assert "via 10.64.0.1 dev wwan0" in await way(world)
    await move(Route("wwan1", "wwan1", Hop(None), None))
    assert "dev wwan1" in await way(world)
    assert "via" not in await way(world)


async def test_routes_of_the_router_itself_go_before_the_active_link(world: World) -> None:
    # What a VPN client sets up to take everything: two halves of the Internet, or a rule of its own.
    await ip("-n", world.router, "route", "add", "128.0.0.0/1", "via", "10.64.0.1", "dev", "wwan0")
    await ip("-n", world.router, "rule", "add", "pref", "30000", "to", "198.18.0.53", "lookup", "70")
    await ip("-n", world.router, "route", "add", "default", "dev", "wwan0", "table", "70")

    async def work() -> None:
        await PolicyRouting().install()
        await PolicyRouting().move(OVER_SECOND)

    await within(world, work)
    assert "dev wwan0" in await way(world)
    assert "dev wwan0" in await way(world, to="198.18.0.53")
    assert "dev wwan1" in await way(world, to="1.1.1.1")


async def test_remove_leaves_plain_routing_even_after_a_killed_daemon(world: World) -> None:
    before = [await rules(world, family) for family in ("-4", "-6")]

    async def leave_behind() -> None:
        routing = PolicyRouting()
        await routing.install()
        await routing.move(OVER_SECOND)

    async def clean() -> None:
        await PolicyRouting().remove()
        await PolicyRouting().remove()

    await within(world, leave_behind)
    assert f"{PREFERENCE}:" in await rules(world)
    assert f"{PREFERENCE}:" in await rules(world, "-6")
    await within(world, clean)
    assert [await rules(world, family) for family in ("-4", "-6")] == before
    for table in (GATE_TABLE, ROUTE_TABLE):
        assert await output(*world.exec(["ip", "route", "show", "table", str(table)])) == ""
    assert "dev wwan0" in await way(world)


async def test_a_restart_keeps_the_way_until_its_own_first_move(world: World) -> None:
    async def first() -> None:
        routing = PolicyRouting()
        await routing.install()
        await routing.move(OVER_SECOND)

    async def second() -> None:
        await PolicyRouting().install()

    await within(world, first)
    await within(world, second)
    assert "dev wwan1" in await way(world)
    assert (await rules(world)).count(f"lookup {ROUTE_TABLE}") == 1


async def test_lan_traffic_never_leaves_through_a_link_for_management(world: World) -> None:
    await with_lan(world)

    async def move(route: Route) -> None:
        async def work() -> None:
            await PolicyRouting().install()
            await PolicyRouting().move(route)

        await within(world, work)

    from_lan = ("from", LAN_HOST, "iif", "lan0")
    await move(OVER_FIRST)
    assert "dev wwan0" in await way(world, *from_lan)
    await move(Route("wwan1", "wwan1", Hop("10.64.1.1"), None, forwards=False))
    assert "prohibited" in await way(world, *from_lan) or "denied" in await way(world, *from_lan)
    assert "dev wwan1" in await way(world)
    assert "dev lan0" in await way(world, "from", "10.64.1.1", "iif", "wwan1", to=LAN_HOST)
    await move(OVER_SECOND)
    assert "dev wwan1" in await way(world, *from_lan)


async def test_ipv6_follows_or_is_refused_to_the_lan(world: World) -> None:
    async def move(route: Route) -> None:
        async def work() -> None:
            await PolicyRouting().install()
            await PolicyRouting().move(route)

        await within(world, work)

    async def table(number: int) -> str:
        return await output(*world.exec(["ip", "-6", "route", "show", "table", str(number)]))

    await move(Route("wwan0", "wwan0", Hop("10.64.0.1"), Hop("fe80::1")))
    assert "default via fe80::1 dev wwan0" in await table(ROUTE_TABLE)
    assert "throw" in await table(GATE_TABLE)
    await move(Route("wwan1", "wwan1", Hop("10.64.1.1"), None, refuse_ipv6=True))
    assert (await table(ROUTE_TABLE)).startswith("throw default")
    assert (await table(GATE_TABLE)).startswith("unreachable default")
    assert len((await table(ROUTE_TABLE)).splitlines()) == 1


async def test_a_refusal_carries_the_kernels_words(world: World) -> None:
    async def work() -> None:
        with pytest.raises(RouteError, match='Cannot find device "wwan7"'):
            await PolicyRouting().move(Route("wwan7", "wwan7", Hop("10.0.0.1"), None))

    await within(world, work)


def test_the_way_over_a_device() -> None:
    other = LinkFacts("wwan1", 2, True, True, True, ("2001:db8::3",), None, Hop("fe80::2"))
    both = LinkFacts("wwan0", 1, True, True, True, ("10.0.0.2", "2001:db8::2"), Hop("10.0.0.1"), Hop(None))
    route = route_over(both, "wan", forwards=True, others=[other])
    assert (route.interface, route.device) == ("wan", "wwan0")
    assert (route.ipv4, route.ipv6, route.refuse_ipv6) == (Hop("10.0.0.1"), Hop(None), False)
    only_ipv4 = LinkFacts("wwan0", 1, True, True, True, ("10.0.0.2",))
    route = route_over(only_ipv4, "wan", forwards=True, others=[other])
    assert (route.ipv4, route.ipv6, route.refuse_ipv6) == (Hop(None), None, True)
    assert not route_over(only_ipv4, "wan", forwards=True, others=[only_ipv4]).refuse_ipv6
    only_ipv6 = LinkFacts("wwan0", 1, True, True, True, ("2001:db8::2",), None, Hop("fe80::1"))
    assert route_over(only_ipv6, "wan", forwards=True, others=[]).ipv4 is None


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder first on PATH with programs that note their arguments in `said` and fail if told to."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    for name in ("mwan3", "conntrack"):
        script = tmp_path / name
        script.write_text(
            f"""#!/bin/sh
echo {name} "$@" >> {tmp_path}/said
[ ! -e {tmp_path}/fail ] || {{ echo no >&2; exit 1; }}
"""
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return tmp_path


def said(program: Path) -> list[str]:
    return (program / "said").read_text().splitlines()


async def test_mwan3_opens_the_new_way_before_it_closes_the_others(program: Path) -> None:
    routing = Mwan3Routing(["wan5g", "iot"])
    await routing.install()
    await routing.move(Route("iot", "wwan1", Hop(None), None))
    await routing.remove()
    assert said(program) == ["mwan3 ifup iot", "mwan3 ifdown wan5g", "mwan3 ifup wan5g", "mwan3 ifup iot"]


async def test_mwan3s_refusal_is_passed_on(program: Path) -> None:
    (program / "fail").touch()
    with pytest.raises(RouteError, match="mwan3 ifup iot: no"):
        await Mwan3Routing(["iot"]).move(Route("iot", "wwan1", Hop(None), None))


async def test_mwan3_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RouteError, match="not installed"):
        await Mwan3Routing(["iot"]).install()


async def test_translated_flows_of_the_old_way_are_flushed(program: Path) -> None:
    left = Route("wan5g", "wwan0", Hop(None), None, ("10.64.0.2", "2001:db8::2"))
    await PolicyRouting().flush(left)
    (program / "fail").touch()
    await PolicyRouting().flush(left)
    assert said(program) == ["conntrack -D -f ipv4 --reply-dst 10.64.0.2"] * 2


async def test_without_conntrack_nothing_is_flushed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    await PolicyRouting().flush(OVER_FIRST)


async def test_what_a_killed_daemon_left_goes_when_another_routing_is_configured(world: World) -> None:
    async def leave_behind() -> None:
        routing = PolicyRouting()
        await routing.install()
        await routing.move(OVER_SECOND)

    before = await rules(world)
    await within(world, leave_behind)
    await within(world, NoRouting().install)
    assert await rules(world) == before
    assert "dev wwan0" in await way(world)


@pytest.mark.parametrize(
    ("kind", "interfaces", "made"),
    [
        (Routing.POLICY, ["wan5g"], PolicyRouting),
        (Routing.MWAN3, ["wan5g"], Mwan3Routing),
        (Routing.NONE, ["wan5g"], NoRouting),
        (Routing.POLICY, [], NoRouting),
    ],
)
def test_the_routing_that_is_configured(kind: Routing, interfaces: list[str], made: type) -> None:
    assert isinstance(routing_for(kind, interfaces), made)


async def test_no_routing_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    routing = NoRouting()
    await routing.install()
    await routing.move(OVER_FIRST)
    await routing.flush(OVER_FIRST)
    await routing.remove()
