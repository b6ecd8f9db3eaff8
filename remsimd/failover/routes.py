"""Moving the data: the only place of the daemon that changes routes and rules.

remsimd's rules come right before the main table's, after everything that a router's own
configuration directs elsewhere (netifd's source rules, pbr, mwan3), and use two own tables:

    32000  everything but a default route is looked up in main as ever
    32001  forwarded traffic: what must not leave is refused here (GATE_TABLE)
    32002  the default route over the active link (ROUTE_TABLE)

A lookup that finds nothing there goes on to main, which is not touched: without the rules the
router routes as its own configuration says. Sockets bound to another device pass through to main
as well, so probes and management traffic do not depend on the active link.
"""

import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from remsimd.config.model import Routing as Kind
from remsimd.errors import RouteError
from remsimd.failover.command import run
from remsimd.failover.links import Hop, LinkFacts

_log = logging.getLogger(__name__)

PREFERENCE = 32000
GATE_TABLE = 980
ROUTE_TABLE = 981
OWN_TABLES = frozenset({GATE_TABLE, ROUTE_TABLE})

_IPV6_PRESENT = Path("/proc/net/if_inet6")
_RULES = (
    f"pref {PREFERENCE} lookup main suppress_prefixlength 0",
    f"pref {PREFERENCE + 1} not iif lo lookup {GATE_TABLE}",
    f"pref {PREFERENCE + 2} lookup {ROUTE_TABLE}",
)
_ALREADY = ("File exists",)
_NOT_THERE = ("No such file or directory", "FIB table does not exist", "Flush terminated")


@dataclass(frozen=True, slots=True)
class Route:
    """The way the data takes.

    `interface` is the link's configured name, `device` its network device, `ipv4`/`ipv6` the next
    hops (None: not in this family). `forwards` is False where only the router's own traffic may
    leave. `refuse_ipv6` tells forwarded IPv6 traffic at once that this way has none, where it
    would otherwise go over a link that is not the active one.
    """

    interface: str
    device: str
    ipv4: Hop | None
    ipv6: Hop | None
    addresses: tuple[str, ...] = ()
    forwards: bool = True
    refuse_ipv6: bool = False


def route_over(facts: LinkFacts, interface: str, *, forwards: bool, others: Iterable[LinkFacts]) -> Route:
    """The way over a device as the kernel describes it; `others` are the devices of the other links.

    A device with addresses but without a default route of its own is used directly, as the
    point-to-point devices of modems are.
    """
    has_ipv4 = any(":" not in address for address in facts.addresses)
    has_ipv6 = any(":" in address for address in facts.addresses)
    ipv6 = facts.ipv6 if has_ipv6 else None
    return Route(
        interface,
        facts.name,
        ipv4=(facts.ipv4 or Hop(None)) if has_ipv4 else None,
        ipv6=ipv6,
        addresses=facts.addresses,
        forwards=forwards,
        refuse_ipv6=ipv6 is None and any(other.ipv6 is not None for other in others),
    )


class Routing(Protocol):
    """Carries out what was decided. Each method raises RouteError and may be called again."""

    async def install(self) -> None:
        """Prepare for moves; keeps the way a killed daemon left until the first one."""
        ...

    async def move(self, route: Route) -> None:
        """Let the data go this way."""
        ...

    async def flush(self, left: Route) -> None:
        """Let the flows that were translated to the left way's addresses start anew."""
        ...

    async def remove(self) -> None:
        """Leave the router as if nothing had been installed, by this process or a killed one."""
        ...


class PolicyRouting:
    """An own table and rules, changed by one `ip -batch` a move (iproute2: package ip-tiny or ip-full)."""

    async def install(self) -> None:
        lines = [f"rule add {rule}" for rule in _RULES]
        for family in _families():
            await _ip((family,), lines, tolerate=_ALREADY)

    async def move(self, route: Route) -> None:
        await _ip((), _move_lines(route, ipv6="-6" in _families()))

    async def flush(self, left: Route) -> None:
        if shutil.which("conntrack") is None:
            _log.debug("conntrack is not installed: flows over %s stay until they time out", left.device)
            return
        for address in left.addresses:
            if ":" not in address:
                # Translated flows are the ones whose answers come to our own address. Status 1 is "none".
                await run("conntrack", "-D", "-f", "ipv4", "--reply-dst", address)

    async def remove(self) -> None:
        lines = [f"rule del pref {PREFERENCE + number}" for number in range(len(_RULES))]
        lines += [f"route flush table {table}" for table in sorted(OWN_TABLES)]
        for family in _families():
            await _ip((family,), lines, tolerate=_NOT_THERE)


class NoRouting:
    """Decisions are made and logged; nothing in the system changes."""

    async def install(self) -> None:
        _log.info("routing is none: failover decisions are logged, routes stay as they are")
        await _clear_leftovers()

    async def move(self, route: Route) -> None:
        _log.info("data would now leave through %s", route.device)

    async def flush(self, left: Route) -> None:
        pass

    async def remove(self) -> None:
        pass


class Mwan3Routing:
    """mwan3 keeps the routes; it is told with its own commands which interfaces may be used."""

    def __init__(self, interfaces: Sequence[str]) -> None:
        self._interfaces = tuple(interfaces)

    async def install(self) -> None:
        if shutil.which("mwan3") is None:
            raise RouteError("mwan3 is not installed")
        await _clear_leftovers()

    async def move(self, route: Route) -> None:
        # The new way opens before the old ones close, so that there is one at every moment.
        await self._tell("ifup", route.interface)
        for interface in self._interfaces:
            if interface != route.interface:
                await self._tell("ifdown", interface)

    async def flush(self, left: Route) -> None:
        pass  # mwan3 flushes connection tracking by its own option flush_conntrack

    async def remove(self) -> None:
        for interface in self._interfaces:
            await self._tell("ifup", interface)

    @staticmethod
    async def _tell(verb: str, interface: str) -> None:
        status, _, err = await run("mwan3", verb, interface)
        if status != 0:
            raise RouteError(f"mwan3 {verb} {interface}: {err or f'exit status {status}'}")


def routing_for(kind: Kind, interfaces: Sequence[str]) -> Routing:
    """What moves the data, as configured; nothing where no link has a network device."""
    if kind is Kind.NONE or not interfaces:
        return NoRouting()
    return Mwan3Routing(interfaces) if kind is Kind.MWAN3 else PolicyRouting()


async def _clear_leftovers() -> None:
    """Rules of a killed daemon that was configured to make them must not outlive that configuration."""
    try:
        await PolicyRouting().remove()
    except RouteError as error:
        _log.debug("no rules of an earlier run could be removed: %s", error)


def _families() -> tuple[str, ...]:
    return ("-4", "-6") if _IPV6_PRESENT.exists() else ("-4",)


def _move_lines(route: Route, *, ipv6: bool) -> list[str]:
    """The batch of one move, IPv4 first: what fails must not keep it back.

    A destination with `/0` carries its family, so one batch serves both. Nothing is ever deleted:
    a `throw` route takes the place of one that is not wanted, so no moment is without an answer.
    """
    lines = [
        _route_line("0.0.0.0/0", route.ipv4, route.device),
        _gate_line("0.0.0.0/0", "throw" if route.forwards else "prohibit"),
    ]
    if ipv6:
        gate = "unreachable" if route.refuse_ipv6 else "throw"
        lines.append(_route_line("::/0", route.ipv6, route.device))
        lines.append(_gate_line("::/0", gate if route.forwards else "prohibit"))
    return lines


def _route_line(destination: str, hop: Hop | None, device: str) -> str:
    if hop is None:
        return f"route replace throw {destination} table {ROUTE_TABLE}"
    # onlink: the gateway is on the device whatever prefix the network gave us.
    via = "" if hop.gateway is None else f" via {hop.gateway}"
    onlink = "" if hop.gateway is None else " onlink"
    return f"route replace {destination}{via} dev {device}{onlink} table {ROUTE_TABLE}"


def _gate_line(destination: str, kind: str) -> str:
    return f"route replace {kind} {destination} table {GATE_TABLE}"


async def _ip(family: tuple[str, ...], lines: Iterable[str], *, tolerate: tuple[str, ...] = ()) -> None:
    """One batch of `ip`; with `tolerate` it goes on after errors and only others than these count."""
    force = ("-force",) if tolerate else ()
    status, _, err = await run("ip", *family, *force, "-batch", "-", stdin="\n".join(lines) + "\n")
    if status == 0:
        return
    complaints = [line for line in err.splitlines() if not line.startswith("Command failed")]
    complaints = [line for line in complaints if not any(text in line for text in tolerate)]
    if complaints or not tolerate:
        raise RouteError("ip: " + ("; ".join(complaints) or f"exit status {status}"))
