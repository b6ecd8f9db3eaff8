"""From the text of one value to its meaning; each reader says what it allows.

A reader raises `NotAllowedError` for text it does not allow, with an explanation where the plain
list of what is allowed would not help.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from remsimd.config.model import FrontendType, GpioLine, Match, MatchBy, Network, ProbeKind, ProbeTarget

API_BASE = "/api/backend/v1"
"""The path below which IonMesh serves its contract; it may be left out of the url."""
DNS_PORT = 53
MDNS = "mdns"
"""The url, alone or with `:interface`, of an orchestrator that is to be found by multicast DNS."""

_TRUE = frozenset(("1", "yes", "on", "true", "enabled"))
_FALSE = frozenset(("0", "no", "off", "false", "disabled"))
_HOST_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?", re.ASCII)
_USB_PATH = re.compile(r"[0-9]+-[0-9]+(?:\.[0-9]+)*", re.ASCII)
_MATCH_VALUE = {
    MatchBy.USB: _USB_PATH,
    MatchBy.PCI: re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]", re.ASCII),
    MatchBy.IMEI: re.compile(r"[0-9]{15}", re.ASCII),
    MatchBy.ID: re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}", re.ASCII),
    MatchBy.TTY: re.compile(r"/[A-Za-z0-9_./:-]+", re.ASCII),
}
_CHIP_OFFSET = re.compile(r"([A-Za-z0-9_./-]+):([0-9]{1,4})", re.ASCII)
_LINE_NAME = re.compile(r"[A-Za-z0-9_.,+:-]+", re.ASCII)


class NotAllowedError(ValueError):
    """A value that is not allowed; the text explains, where there is one."""


@dataclass(frozen=True, slots=True)
class Reader:
    """How one kind of value is read, and what is allowed, in words."""

    read: Callable[[str], Any]
    allowed: str


def whole(low: int, high: int, unit: str = "") -> Reader:
    """A decimal integer in low..high."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise NotAllowedError
        return int(text)

    return Reader(read, f"a whole number {'of ' + unit + ' ' if unit else ''}from {low} to {high}")


def decimal(low: float, high: float, unit: str = "") -> Reader:
    """A decimal number in low..high, without exponent."""

    def read(text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,10}(\.[0-9]{1,9})?", text, re.ASCII):
            raise NotAllowedError
        if not low <= float(text) <= high:
            raise NotAllowedError
        return float(text)

    return Reader(read, f"a number {'of ' + unit + ' ' if unit else ''}from {low:g} to {high:g}")


def one_of(values: type[StrEnum]) -> Reader:
    """A member of an enumeration by its value."""
    return words({member.value: member for member in values})


def words(meanings: Mapping[str, Any]) -> Reader:
    """One of some words, each with its meaning."""

    def read(text: str) -> Any:
        if text not in meanings:
            raise NotAllowedError
        return meanings[text]

    return Reader(read, ", ".join(meanings))


def shaped(pattern: str, allowed: str) -> Reader:
    """Text that matches a regular expression (ASCII) as a whole."""
    compiled = re.compile(pattern, re.ASCII)

    def read(text: str) -> str:
        if not compiled.fullmatch(text):
            raise NotAllowedError
        return text

    return Reader(read, allowed)


def _boolean(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise NotAllowedError
    return text.lower() in _TRUE


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    # A name of digits and dots only is a mistyped address.
    if len(text) > 253 or not _HOST.fullmatch(text) or re.fullmatch(r"[0-9.]+", text):
        raise NotAllowedError
    return text


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise NotAllowedError(f"{error}; allowed: {NETWORK.allowed}") from error


def _frontend(text: str) -> FrontendType:
    if text == "at-csim":
        raise NotAllowedError(
            "AT+CSIM sends APDUs into the modem's own SIM; it can never present a card to the modem. "
            f"The modem asks its card over its SIM pins: allowed: {', '.join(FrontendType)}"
        )
    if text not in list(FrontendType):
        raise NotAllowedError
    return FrontendType(text)


def _match(text: str) -> Match:
    by, _, value = text.partition(":")
    if by not in list(MatchBy):
        raise NotAllowedError
    value = value.lower() if by in (MatchBy.PCI, MatchBy.ID) else value
    if not _MATCH_VALUE[MatchBy(by)].fullmatch(value):
        raise NotAllowedError
    return Match(MatchBy(by), value)


def _gpio(text: str) -> GpioLine:
    if re.fullmatch(r"[0-9]+", text, re.ASCII):
        raise NotAllowedError(
            "a bare number is a sysfs GPIO number, which changes with the kernel; "
            f"write gpiochip0:{text} or the name of the line"
        )
    chip_offset = _CHIP_OFFSET.fullmatch(text)
    if chip_offset:
        return GpioLine(chip=chip_offset[1].removeprefix("/dev/"), offset=int(chip_offset[2]))
    if not _LINE_NAME.fullmatch(text):
        raise NotAllowedError
    return GpioLine(name=text)


def _target(text: str) -> ProbeTarget:
    prefix, colon, rest = text.partition(":")
    kind = ProbeKind(prefix) if colon and prefix in list(ProbeKind) else ProbeKind.ICMP
    host, port = _split_port(rest if colon and prefix in list(ProbeKind) else text)
    match kind:
        case ProbeKind.ICMP:
            if port is not None:
                raise NotAllowedError
        case ProbeKind.DNS:
            port = DNS_PORT if port is None else port
        case ProbeKind.TCP:
            if port is None:
                raise NotAllowedError("tcp needs a port: tcp:host:port")
    return ProbeTarget(kind, _host(host), port)


def _split_port(text: str) -> tuple[str, int | None]:
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]+))?", text)
    if bracketed:
        return bracketed[1], None if bracketed[2] is None else PORT.read(bracketed[2])
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, PORT.read(port)
    return text, None


def _url(text: str, schemes: tuple[str, ...]) -> str:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise NotAllowedError from error
    if parts.username is not None or parts.password is not None:
        raise NotAllowedError("a user name or password does not belong into the address")
    if parts.scheme not in schemes or not parts.hostname or not text.isprintable() or " " in text:
        raise NotAllowedError
    _host(parts.hostname)
    if port == 0:
        raise NotAllowedError
    return text


def is_mdns(url: str) -> bool:
    """Whether an orchestrator's url says to look for it on the local network."""
    return url == MDNS or url.startswith(f"{MDNS}:")


def is_open(url: str) -> bool:
    """Whether everyone on the way can read what is said: plain http to another machine."""
    parts = urlsplit(url)
    # What is found by mDNS is judged when it is found.
    if parts.scheme == "https" or is_mdns(url):
        return False
    host = parts.hostname or ""
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _orchestrator_url(text: str) -> str:
    if is_mdns(text):
        if text != MDNS:
            INTERFACE.read(text.removeprefix(f"{MDNS}:"))
        return text
    url = _url(text, ("https", "http"))
    if "?" in url or "#" in url:
        raise NotAllowedError
    return url.rstrip("/").removesuffix(API_BASE).rstrip("/")


def _mcc_mnc(text: str) -> str:
    matched = re.fullmatch(r"([0-9]{3})-?([0-9]{2,3})", text, re.ASCII)
    if not matched:
        raise NotAllowedError
    return matched[1] + matched[2]


BOOLEAN = Reader(_boolean, "1 or 0 (also yes/no, on/off, true/false, enabled/disabled)")
PORT = whole(1, 65535)
HOST = Reader(_host, "a host name or an IP address")
NETWORK = Reader(_network, "a network like 192.0.2.0/24, or one address")
PATH = shaped(r"/[^\0\n\r]*", "an absolute path")
INTERFACE = shaped(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,31}", "the name of an interface, at most 32 characters")
USB_PATH = shaped(_USB_PATH.pattern, "a USB path like 1-1.2")
FRONTEND = Reader(_frontend, ", ".join(FrontendType))
MATCH = Reader(
    _match,
    "usb:1-1.2, pci:0000:01:00.0, imei: and 15 digits, id:2c7c:0125 or tty:/dev/ttyUSB2",
)
GPIO = Reader(_gpio, "the name of a GPIO line, or chip:offset like gpiochip0:20")
TARGET = Reader(_target, "an address or host, icmp:host, dns:host[:port] or tcp:host:port")
ORCHESTRATOR_URL = Reader(_orchestrator_url, "https://host:port, or mdns or mdns:interface to look for it")
WEBHOOK = Reader(lambda text: _url(text, ("https", "http")), "an https:// or http:// address")
MCC_MNC = Reader(_mcc_mnc, "a network code of 5 or 6 digits, like 26201 or 310-410")
LABEL = shaped(r"[!-~](?:[ -~]{0,62}[!-~])?", "1 to 64 printable ASCII characters")
