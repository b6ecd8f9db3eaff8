"""Which IP addresses the server connects to on somebody else's word."""

from __future__ import annotations

import ipaddress

# RFC 6052: leads to whatever IPv4 address is in its last bits.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_BITS = 0xFFFF_FFFF
# Where an AWS instance's metadata are by IPv6 (EC2 user guide); by IPv4 they are link-local.
_METADATA = ipaddress.ip_address("fd00:ec2::254")


def is_literal(host: str) -> bool:
    """Whether a host is an address in the usual notation rather than a name."""
    return _parsed(host) is not None


def is_public(address: str) -> bool:
    """Whether an address is one of the internet's: neither private, local, link-local nor reserved."""
    ip = _parsed(address)
    return ip is not None and ip not in _NAT64 and ip.is_global and not ip.is_multicast


def is_bank(address: str, *, loopback_allowed: bool) -> bool:
    """Whether a bank's server can be there: in the internet or a private network.

    Link-local addresses, where clouds keep their machines' credentials, multicast and unspecified ones are no
    bank's.
    """
    ip = _parsed(address)
    if ip is None:
        return False
    if ip in _NAT64:
        ip = ipaddress.IPv4Address(int(ip) & _IPV4_BITS)
    if ip.is_loopback:
        return loopback_allowed
    return not (ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip == _METADATA)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return an address, an IPv4 one in IPv6 clothes as what it is; None: that is none."""
    try:
        ip = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address):
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip
