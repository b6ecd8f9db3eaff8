"""What a month of heartbeats costs on a metered link, counted on the wire.

The real client against the real orchestrator over real TLS on loopback, a new connection for
each heartbeat, as after a carrier's NAT forgot the old one. It runs in a network namespace of
its own (unshare of util-linux), where a packet socket sees every packet to or from the TLS
port; IP headers count, the link layer's do not, and a packet larger than an Ethernet's is
counted as the packets it would be. With names of variants as arguments those are measured, and what a whole
handshake costs.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from _figure import figure

from modems.facts import Identity, Signal
from remsimd import connections
from remsimd.bus import Stamped
from remsimd.config.load import parse
from remsimd.config.model import IonmeshConfig
from remsimd.events import ModemIdentified, SignalRead, TrafficRead
from remsimd.http import Http, Tls
from remsimd.net import TrafficBytes
from remsimd.observe import heartbeat
from remsimd.observe.eventlog import EventLog
from remsimd.orchestrator.calls import Calls, Way
from remsimd.orchestrator.commands import Commands
from remsimd.orchestrator.heartbeat import Heartbeats
from remsimd.orchestrator.requests import RegisterRequest
from remsimd.orchestrator.store import Store as Memory
from remsimd.rspro.events import TpduRelayed
from remsimd.state import start
from remsimd.store import Store
from tests.ionmesh.process import ServerProcess
from tests.ionmesh.test_server import stock
from tests.orchestrator.tls import Authority, Front, server_context

INTERVAL_S = 600
MONTH_S = 30 * 86_400
STATE_CHANGES_A_DAY = 4
"""Heartbeats sent at once: SIM switches and failovers of a router with a moderately bad primary."""
HEARTBEATS_A_MONTH = MONTH_S // INTERVAL_S
HEARTBEATS_WITH_CHANGES = HEARTBEATS_A_MONTH + 30 * STATE_CHANGES_A_DAY
HEARTBEATS_A_SESSION = 7200 // INTERVAL_S
"""After OpenSSL's two hours a session is not resumed any more: the next handshake is a whole one."""
SAMPLES = 24
INSIDE = "REMSIM_BENCH_INSIDE"
SEGMENT_BYTES = 1448
BUDGET_MB = 8.0
TWO_MODEMS = """
config modem 'primary'
	list match 'usb:1-1'
	option interface 'wwan0'
config modem 'secondary'
	option role 'secondary'
	list match 'usb:1-2'
	option interface 'wwan1'
	option data_limit_mb '30'
"""


class Sniffer:
    """Counts the IPv4 packets of one TCP port on loopback, each once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0003))
        self._socket.bind(("lo", 0x0003))
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.bytes = 0
        self.packets = 0

    def drain(self) -> int:
        """The bytes since the last time."""
        before = self.bytes
        with contextlib.suppress(BlockingIOError):
            while True:
                packet, (_, protocol, kind, _, _) = self._socket.recvfrom(65536)
                if kind == socket.PACKET_OUTGOING and protocol == 0x0800:
                    self._count(packet)
        return self.bytes - before

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()

    def _count(self, packet: bytes) -> None:
        header = 4 * (packet[0] & 15)
        source, target = struct.unpack_from("!HH", packet, header)
        if self._port not in (source, target):
            return
        (length,) = struct.unpack_from("!H", packet, 2)
        tcp_header = 4 * (packet[header + 12] >> 4)
        payload = length - header - tcp_header
        pieces = max(-(-payload // SEGMENT_BYTES), 1)
        self.packets += pieces
        self.bytes += payload + pieces * (header + tcp_header)


@dataclass(frozen=True)
class Variant:
    """One way to do it; `tickets` False makes the server keep sessions instead of sending them."""

    name: str
    resume: bool = True
    deltas: bool = True
    frugal: bool = True
    lost: bool = True
    tickets: bool = True
    oldest: str = "1.2"


SHIPPED = Variant("as_shipped")
WHOLE_HANDSHAKES = Variant("without_session_resumption", resume=False)
VARIANTS = (
    SHIPPED,
    Variant("as_shipped_sessions_kept_by_the_server", tickets=False),
    WHOLE_HANDSHAKES,
    Variant("without_deltas", deltas=False),
    Variant("without_one_write_and_reset", frugal=False),
    Variant("with_tls13", oldest="1.3"),
    Variant("with_tls13_sessions_kept_by_the_server", oldest="1.3", tickets=False),
    Variant("with_none_of_these", resume=False, deltas=False, frugal=False, oldest="1.3"),
    Variant("keep_alive_not_lost", lost=False),
)


@dataclass(frozen=True)
class Figures:
    """Of one heartbeat: bytes and packets on the wire, and the client's own count of the bytes."""

    wire_bytes: float
    packets: float
    own_bytes: float


@contextmanager
def client_of(variant: Variant) -> Iterator[None]:
    """Take single measures out of the client, to see what each is worth."""
    kept = connections.ResumingContext.remember, connections.FrugalConnection.request
    if not variant.resume:
        connections.ResumingContext.remember = lambda self, connected: None  # type: ignore[method-assign]  # bench
    if not variant.frugal:
        connections.FrugalConnection.request = connections.HTTPConnection.request  # type: ignore[method-assign]  # bench
    try:
        yield
    finally:
        connections.ResumingContext.remember, connections.FrugalConnection.request = kept  # type: ignore[method-assign]  # bench


async def measure(variant: Variant, folder: Path, key: str, port: int, authority: Authority) -> Figures:
    """The average heartbeat after the first two."""
    context = server_context(authority.issue("server", "127.0.0.1"))
    if not variant.tickets:
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 1
    counted = TrafficBytes()

    def count(_: str | None, traffic: TrafficBytes) -> None:
        nonlocal counted
        counted += traffic

    with Front(("127.0.0.1", port), context).running() as front:
        sniffer = Sniffer(front.port)
        http = Http(Tls(authority.cert, oldest=variant.oldest), on_traffic=count)
        beats, calls = client(variant, folder, key, front.port, http)
        wish = RegisterRequest(client_id=router_name(variant), mapping_mode="ONE_TO_ONE_SWSIM", tenant_id=1)
        await calls.register(wish)
        for _ in range(2):
            await beats.send(1)
        await asyncio.sleep(0.1)
        sniffer.drain()
        packets, total, counted = sniffer.packets, 0, TrafficBytes()
        for _ in range(SAMPLES):
            await beats.send(1)
            if variant.lost:
                http.close()
            await asyncio.sleep(0.05)
            total += sniffer.drain()
        own = counted.sent + counted.received
        http.close()
        sniffer.close()
    return Figures(total / SAMPLES, (sniffer.packets - packets) / SAMPLES, own / SAMPLES)


def client(variant: Variant, folder: Path, key: str, port: int, http: Http) -> tuple[Heartbeats, Calls]:
    """The client's heartbeats with the report of a router with two modems."""
    config = IonmeshConfig(enabled=True, url=f"https://127.0.0.1:{port}", api_key=key)
    way = Way(lambda: None, lambda: "secondary", lambda: variant.lost)
    calls = Calls(config, http, way=way, publish=lambda _: None)

    async def refuse(_: object) -> str:
        return ""

    commands = Commands(refuse, Memory(folder, "bench"), publish=lambda _: None, on_result=lambda: None)
    beats = Heartbeats(
        config,
        calls,
        commands,
        client_name=router_name(variant),
        way=way,
        sources=heartbeat.sources(busy_router(), EventLog()),
        publish=lambda _: None,
    )
    if not variant.frugal:
        keep(calls)
    if not variant.deltas:
        tell_all(beats)
    return beats, calls


def router_name(variant: Variant) -> str:
    """A name of usual length, another one for each: the orchestrator limits a client's requests."""
    return f"router-{VARIANTS.index(variant) + 10}-slot0"


def busy_router() -> Store:
    """A router that has been up for a month: every figure that a heartbeat has, with its digits."""
    store = Store(start(parse(TWO_MODEMS, "bench"), 0.0))
    figures = {"primary": Signal(rssi_dbm=-71.0, rsrp_dbm=-101.0, rsrq_db=-11.0, sinr_db=8.5)}
    figures["secondary"] = Signal(rssi_dbm=-83.0, rsrp_dbm=-112.0)
    identity = Identity("Quectel", "RM500Q-GL", "RM500QGLABR11A06M4G", "867123456789012")
    for number, event in enumerate(
        (
            *(SignalRead(name, signal) for name, signal in figures.items()),
            *(TrafficRead(name, 38_123_456_789, 2_123_456_789) for name in figures),
            *(ModemIdentified(name, "quectel", identity) for name in figures),
            *(TpduRelayed("primary", 0.05, 0x9000) for _ in range(1234)),
        )
    ):
        store.take(Stamped(number, 0.0, 0.0, event))
    return store


def keep(calls: Calls) -> None:
    """Leave the connection to be shut down, not reset."""
    plain: Callable[..., object] = calls.heartbeat
    calls.heartbeat = lambda request, keep_open=True: plain(request, keep_open=True)  # type: ignore[method-assign, assignment, return-value]  # bench


def tell_all(beats: Heartbeats) -> None:
    """Say everything each time."""
    beats._note_told = lambda parts, happened: None  # type: ignore[method-assign]  # bench
    beats._stats_are_due = lambda fresh, happened: True  # type: ignore[method-assign]  # bench


def enter_namespace() -> None:
    """Start anew where nobody else's packets are."""
    if os.environ.get(INSIDE) is None:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", sys.executable, __file__, *sys.argv[1:]])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def main() -> None:
    """Measure the variants, and tell what a month of each costs."""
    enter_namespace()
    named = sys.argv[1:] or [variant.name for variant in VARIANTS]
    found: dict[Variant, Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authority = Authority(folder)
        key = stock(folder / "ionmesh.db", "1-9")
        with ServerProcess(folder / "ionmesh.db") as server:
            for variant in VARIANTS:
                if variant.name in named or variant is WHOLE_HANDSHAKES:
                    with client_of(variant):
                        found[variant] = asyncio.run(measure(variant, folder, key, server.port, authority))
                    tell(variant, found[variant])
    for variant, figures in found.items():
        # Of a session's heartbeats the first resumes nothing.
        part = 1 / HEARTBEATS_A_SESSION if variant.resume and variant.lost else 0.0
        whole = max(found[WHOLE_HANDSHAKES].wire_bytes, figures.wire_bytes)
        average = (1 - part) * figures.wire_bytes + part * whole
        tell_month(variant, average)
    if SHIPPED in found:
        error = abs(found[SHIPPED].own_bytes / found[SHIPPED].wire_bytes - 1)
        figure("heartbeat_own_count_error", 100 * error, "%", budget=5)


def tell(variant: Variant, figures: Figures) -> None:
    """One heartbeat."""
    figure(f"heartbeat_{variant.name}_bytes", figures.wire_bytes, "B", budget=None)
    figure(f"heartbeat_{variant.name}_packets", figures.packets, "packets", budget=None)


def tell_month(variant: Variant, average_bytes: float) -> None:
    """A month of them; the shipped one has a budget, with a moderately bad primary's heartbeats as well."""
    shipped = variant is SHIPPED
    month_mb = average_bytes * HEARTBEATS_A_MONTH / 1e6
    figure(f"heartbeat_{variant.name}_month", month_mb, "MB", budget=BUDGET_MB if shipped else None)
    if shipped:
        changes_mb = average_bytes * HEARTBEATS_WITH_CHANGES / 1e6
        figure("heartbeat_month_with_state_changes", changes_mb, "MB", budget=BUDGET_MB)


if __name__ == "__main__":
    main()
