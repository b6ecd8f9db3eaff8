"""Probes over real sockets."""

import asyncio
import os
import socket
import struct
from collections.abc import Iterator

import pytest

from remsimd.config.model import ProbeKind, ProbeTarget
from remsimd.failover.probe import NetworkProber
from simlab.links import PROBE_ADDRESSES, World
from tests.failover.conftest import within

needs_raw = pytest.mark.skipif(os.geteuid() != 0, reason="echo requests need CAP_NET_RAW")


class Resolver(asyncio.DatagramProtocol):
    """Answers each query with `flags`; with None never."""

    def __init__(self, flags: int | None) -> None:
        self.flags = flags
        self.asked: list[bytes] = []

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        # typeshed's base class has the general kind; this protocol is only used with datagrams.
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(data)
        if self.flags is not None:
            self.transport.sendto(bytes(2) + data[2:], addr)  # another query's answer
            self.transport.sendto(data[:2] + struct.pack("!H", self.flags) + data[4:], addr)


async def resolver(flags: int | None) -> tuple[Resolver, ProbeTarget]:
    made = Resolver(flags)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, local_addr=("127.0.0.1", 0))
    return made, ProbeTarget(ProbeKind.DNS, "127.0.0.1", made.transport.get_extra_info("sockname")[1])


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so nobody else gets it, and that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@pytest.mark.parametrize("flags", [0x8180, 0x8182, 0x8185])
async def test_any_answer_of_a_resolver_counts(flags: int) -> None:
    made, target = await resolver(flags)
    rtt_s = await NetworkProber().probe("lo", target, 5.0)
    assert rtt_s is not None
    # The root's name servers: header, empty name, NS, IN.
    assert made.asked[0][2:] == bytes.fromhex("01000001000000000000") + bytes.fromhex("0000020001")
    made.transport.close()


async def test_no_answer_is_none_after_the_timeout() -> None:
    made, target = await resolver(None)
    assert await NetworkProber().probe("lo", target, 0.1) is None
    assert len(made.asked) == 1
    made.transport.close()


async def test_a_connection_and_a_refusal_both_came_back(closed_port: int) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        for number in (port, closed_port):
            target = ProbeTarget(ProbeKind.TCP, "127.0.0.1", number)
            assert await NetworkProber().probe("lo", target, 5.0) is not None


async def test_a_device_that_is_not_there_is_no_answer() -> None:
    target = ProbeTarget(ProbeKind.DNS, "127.0.0.1", 53)
    assert await NetworkProber().probe("nodev0", target, 5.0) is None


@needs_raw
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_echo_over_the_loopback(host: str) -> None:
    assert await NetworkProber().probe("lo", ProbeTarget(ProbeKind.ICMP, host), 5.0) is not None


@needs_raw
async def test_an_ipv6_echo_over_the_loopback() -> None:
    if not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110 - a fact about the kernel, not a path of ours
        pytest.skip("this kernel has no IPv6")
    assert await NetworkProber().probe("lo", ProbeTarget(ProbeKind.ICMP, "::1"), 5.0) is not None


async def test_both_kinds_of_socket_and_the_right_device(world: World) -> None:
    targets = [ProbeTarget(ProbeKind.ICMP, host) for host in PROBE_ADDRESSES]
    group_range = "/proc/sys/net/ipv4/ping_group_range"

    async def round_over(device: str) -> tuple[float | None, ...]:
        async def work() -> tuple[float | None, ...]:
            arrived: list[ProbeTarget] = []
            rtts_s = await NetworkProber().round(device, targets, 0.3, lambda t, _: arrived.append(t))
            assert set(arrived) == {t for t, rtt in zip(targets, rtts_s, strict=True) if rtt is not None}
            return rtts_s

        return await within(world, work)

    async def allow(groups: str) -> None:
        argv = world.exec(["sysctl", "-q", "-w", f"net.ipv4.ping_group_range={groups}"])
        assert await (await asyncio.create_subprocess_exec(*argv)).wait() == 0

    assert os.path.exists(group_range)  # noqa: PTH110 - a fact about the kernel, not a path of ours
    for groups in ("1 0", "0 0"):
        await allow(groups)
        assert None not in await round_over("wwan0")
    await world.blackhole("wwan0", True)
    assert await round_over("wwan0") == (None, None)
    # Main's default route still points at the dead link; the probe is bound to the other one.
    assert None not in await round_over("wwan1")


async def test_a_round_reports_each_target() -> None:
    silent, no = await resolver(None)
    talking, yes = await resolver(0x8180)
    arrived: list[ProbeTarget] = []
    rtts_s = await NetworkProber().round("lo", [no, yes], 0.2, lambda target, _: arrived.append(target))
    assert [rtt is None for rtt in rtts_s] == [True, False]
    assert arrived == [yes]
    silent.transport.close()
    talking.transport.close()
