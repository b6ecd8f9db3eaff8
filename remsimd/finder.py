"""Where a configured modem's AT port is, by its place or identity, never by its tty number."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modems.errors import Unsupported
from remsimd.config.model import Match, MatchBy, ModemConfig
from remsimd.uevent import Uevent, open_socket, uevents

if TYPE_CHECKING:
    from modems.detect.usb import Candidate

log = logging.getLogger(__name__)

FILE_LOOK_S = 0.5
"""How often a port named by its path is looked for: a file test, no bus scan."""
SLOW_LOOK_S = 10.0
"""How often the bus is looked at without the kernel's events, or in case one was missed."""
SETTLE_S = 0.1
"""A modem's interfaces appear one after another, each with events of its own."""
VIRTUAL = "/devices/virtual/"
"""Bridges, tunnels and consoles: no modem is among them, and on a router they come and go."""
SUBSYSTEMS = frozenset({"tty", "wwan", "net", "usb", "usb-serial"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a modem may be; `port` is None while the bus shows the modem but not its AT port.

    `seen` is what the bus says about it, for people; empty for a port that is known by its path alone.
    """

    port: str | None
    seen: str = ""

    def __str__(self) -> str:
        return " ".join(part for part in (self.port or "", f"({self.seen})" if self.seen else "") if part)


class Finder:
    """Looks for modems on the bus, once for all who search, and again when the kernel tells of a change.

    While `run` runs, a change wakes `changed` at once; without it, or where the kernel's events cannot be
    had, everybody looks again every SLOW_LOOK_S. Ports in use are claimed: nobody else is sent to them.
    """

    def __init__(
        self,
        *,
        scan: Callable[[], Iterable["Candidate"]] | None = None,
        open_source: Callable[[], socket.socket] = open_socket,
    ) -> None:
        self._scan = scan or _candidates
        self._open_source = open_source
        self._scanning = asyncio.Lock()
        self._known: tuple[Candidate, ...] | None = None
        self._follows = False
        self._blind = False
        self._changed = asyncio.Event()
        self._changes = 0
        self._seen_by: dict[str, int] = {}
        self._claimed: dict[str, str] = {}

    async def run(self) -> None:
        """Follow the kernel's device events until cancelled."""
        try:
            async with uevents(self._on_event, on_loss=self._on_change, open_source=self._open_source):
                self._follows = True
                # Of what happened before, nobody has told.
                self._on_change()
                await asyncio.Event().wait()
        except OSError as error:
            log.warning("no device events from the kernel (%s); looking every %.0f s", error, SLOW_LOOK_S)
            await asyncio.Event().wait()
        finally:
            self._follows = False
            self._known = None

    async def places(self, config: ModemConfig) -> tuple[Place, ...]:
        """Where the modem may be, best match first; empty while it is not there."""
        self._seen_by[config.name] = self._changes
        found = (
            place_of_path(config.match)
            if _by_path(config)
            else places_among(config.match, await self._candidates())
        )
        return tuple(
            place for place in found if self._claimed.get(place.port or "", config.name) == config.name
        )

    async def changed(self, config: ModemConfig, within_s: float = SLOW_LOOK_S) -> None:
        """Wait for a change since this modem was last looked for, at the longest `within_s`."""
        try:
            async with asyncio.timeout(min(within_s, FILE_LOOK_S if _by_path(config) else SLOW_LOOK_S)):
                while self._seen_by.get(config.name) == self._changes:
                    await self._changed.wait()
                await asyncio.sleep(SETTLE_S)
        except TimeoutError:
            if within_s >= SLOW_LOOK_S and not _by_path(config):
                # A change may have been missed: look for oneself.
                self._known = None

    @contextlib.contextmanager
    def claimed(self, port: str, modem: str) -> Iterator[None]:
        """Keep everybody else away from `port` for the length of the block."""
        self._claimed[port] = modem
        try:
            yield
        finally:
            del self._claimed[port]

    async def _candidates(self) -> tuple["Candidate", ...]:
        """What is on the bus; scanned anew only after a change that was told, or when nobody tells."""
        async with self._scanning:
            if self._known is not None:
                return self._known
            changes = self._changes
            try:
                found = tuple(await asyncio.to_thread(self._scan))
            except Unsupported as error:
                log.log(logging.DEBUG if self._blind else logging.WARNING, "%s", error)
                self._blind = True
                return ()
            if self._follows and changes == self._changes:
                self._known = found
            return found

    def look_again(self) -> None:
        """Somebody says that something changed: what was found so far counts no more."""
        self._on_change()

    def _on_event(self, event: Uevent) -> None:
        if event.subsystem in SUBSYSTEMS and not event.devpath.startswith(VIRTUAL):
            self._on_change()

    def _on_change(self) -> None:
        self._known = None
        self._changes += 1
        self._changed.set()
        self._changed = asyncio.Event()


def place_of_path(matches: tuple[Match, ...]) -> tuple[Place, ...]:
    """The ports among `matches` that exist; a test of devtmpfs, which never blocks."""
    return tuple(
        Place(match.value) for match in matches if match.by is MatchBy.TTY and _is_there(match.value)
    )


def places_among(matches: tuple[Match, ...], candidates: Iterable["Candidate"]) -> tuple[Place, ...]:
    """The places of the candidates that fit, in the order of the matches; without matches all."""
    there = tuple(candidates)
    found: dict[str | None, Place] = {}
    for match in matches:
        if match.by is MatchBy.TTY and _is_there(match.value):
            found[match.value] = Place(match.value)
        for candidate in there:
            if _fits(match, candidate):
                # A port that the match names itself is meant, whatever the catalog knows about the modem.
                port = match.value if match.by is MatchBy.TTY else candidate.at_port
                found[port or candidate.path] = Place(port, _seen(candidate))
    if not matches:
        found = {candidate.at_port or candidate.path: _place(candidate) for candidate in there}
    return tuple(sorted(found.values(), key=lambda place: place.port is None))


def _place(candidate: "Candidate") -> Place:
    return Place(candidate.at_port, _seen(candidate))


def _seen(candidate: "Candidate") -> str:
    identity = f"{candidate.vid}:{candidate.pid}"
    return f"{candidate.model or 'modem'} {identity} at {candidate.path}"


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


def _by_path(config: ModemConfig) -> bool:
    return bool(config.match) and all(match.by is MatchBy.TTY for match in config.match)


def _is_there(path: str) -> bool:
    return Path(path).exists()


def _candidates() -> tuple["Candidate", ...]:
    from modems.detect.udev import candidates

    return candidates()
