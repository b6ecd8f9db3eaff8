"""The addresses of packet data contexts. Pure."""

import re

from modems.at.fields import fields, integer, named
from modems.errors import ParseError
from modems.facts import PdpAddress

_OCTETS_IPV4, _OCTETS_IPV6 = 4, 16
_COLON_IPV6 = re.compile(r"[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*")


def addresses(lines: tuple[str, ...]) -> tuple[PdpAddress, ...]:
    """Parse +CGPADDR (TS 27.007 10.1.23): every address of every context, those of zeros left out.

    An IPv6 address comes as sixteen decimal octets with dots or, after AT+CGPIAF, in colon notation; with a
    mask or prefix length behind it, that is cut off.
    """
    found: list[PdpAddress] = []
    for line in lines:
        rest = named(line, "+CGPADDR")
        if rest is None:
            raise ParseError("PDP address", line)
        values = fields(rest)
        cid = integer(values, 0, low=0, high=255)
        if cid is None:
            raise ParseError("PDP address", line)
        found += [PdpAddress(cid, text) for value in values[1:] if (text := _address(value)) is not None]
    return tuple(found)


def _address(value: str) -> str | None:
    if _COLON_IPV6.fullmatch(value):
        return value.lower() if value.strip("0:.") else None
    octets = value.split(".")
    if not all(
        octet.isascii() and octet.isdigit() and len(octet) <= 3 and int(octet) <= 255 for octet in octets
    ):
        return None
    numbers = [int(octet) for octet in octets]
    if len(numbers) in {_OCTETS_IPV6, 2 * _OCTETS_IPV6}:
        numbers = numbers[:_OCTETS_IPV6]
        text = ":".join(f"{numbers[at] << 8 | numbers[at + 1]:x}" for at in range(0, _OCTETS_IPV6, 2))
    elif len(numbers) in {_OCTETS_IPV4, 2 * _OCTETS_IPV4}:
        numbers = numbers[:_OCTETS_IPV4]
        text = ".".join(map(str, numbers))
    else:
        return None
    return text if any(numbers) else None
