"""What a session may do: our identity, which peer is asked, where a server may send us."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from remsimd.assignment import Assignment
from remsimd.config.model import ConnectMode, Network
from remsimd.rspro.pdu import ComponentIdentity

Address = IPv4Address | IPv6Address

HOLD_S = 20.0
"""How long a modem keeps its card when the bankd is lost; shorter than its own patience."""
ATR_OCTETS = range(2, 34)
"""ISO 7816-3: TS, T0 and at most 31 more."""
DIRECT, INVERSE = 0x3B, 0x3F


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """`bankd_allow` empty = the server's own network and the assignment's hosts."""

    identity: ComponentIdentity
    connect_mode: ConnectMode = ConnectMode.AUTO
    bankd_allow: tuple[Network, ...] = ()
    hold_s: float = HOLD_S


def may_connect(address: Address, rules: Rules, assignment: Assignment, server: Address | None) -> bool:
    """Whether a server may send us to a bankd at `address`.

    RSPRO authenticates nobody: without this check whoever answers as the server could make
    the router connect to any host of its networks. `server` is the server's own address.
    """
    if rules.bankd_allow:
        return any(address in network for network in rules.bankd_allow)
    if str(address) in {end.host for end in (assignment.server, assignment.bankd) if end is not None}:
        return True
    if server is None:
        return False
    prefix = 24 if server.version == 4 else 64
    return address in ip_network((server, prefix), strict=False)


def parse_address(text: str | None) -> Address | None:
    """The address of a socket's peer as its `getpeername` spells it, None if it is not one."""
    if text is None:
        return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_atr(atr: bytes) -> bool:
    """Whether a modem could take this for an Answer To Reset (ISO 7816-3 8.1, 8.2.1)."""
    return len(atr) in ATR_OCTETS and atr[0] in (DIRECT, INVERSE)
