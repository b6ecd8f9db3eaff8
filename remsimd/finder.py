"""Where a configured modem's AT port is, by its place or identity, never by its tty number."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from remsimd.config.model import Match, MatchBy, ModemConfig

if TYPE_CHECKING:
    from modems.detect.usb import Candidate


async def find_ports(config: ModemConfig) -> tuple[str, ...]:
    """The AT ports that may belong to the modem, best match first; empty while it is not there."""
    fixed = [match.value for match in config.match if match.by is MatchBy.TTY]
    if len(fixed) == len(config.match) and fixed:
        return tuple(path for path in fixed if _is_there(path))
    return ports_among(config.match, await asyncio.to_thread(_candidates))


def ports_among(matches: tuple[Match, ...], candidates: Iterable["Candidate"]) -> tuple[str, ...]:
    """The ports of the candidates that fit, in the order of the matches; without matches all."""
    there = [candidate for candidate in candidates if candidate.at_port is not None]
    if not matches:
        return tuple(candidate.at_port for candidate in there if candidate.at_port is not None)
    found: dict[str, None] = {}
    for match in matches:
        if match.by is MatchBy.TTY and _is_there(match.value):
            found[match.value] = None
        for candidate in there:
            if _fits(match, candidate) and candidate.at_port is not None:
                found[candidate.at_port] = None
    return tuple(found)


def _fits(match: Match, candidate: "Candidate") -> bool:
    match match.by:
        case MatchBy.USB | MatchBy.PCI:
            return candidate.path == str(match)
        case MatchBy.ID:
            return f"{candidate.vid}:{candidate.pid}" == match.value.lower()
        case MatchBy.IMEI:
            return True  # only the modem knows its IMEI: checked when it is opened
        case MatchBy.TTY:
            return match.value in candidate.ports


def _is_there(path: str) -> bool:
    """Whether a tty exists; a test of devtmpfs, which never blocks."""
    return Path(path).exists()


def _candidates() -> list["Candidate"]:
    from modems.detect.udev import candidates

    return list(candidates())
