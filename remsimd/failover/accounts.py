"""The data budgets of the links that have one: counted, planned with, and kept over restarts."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from remsimd import clock, files
from remsimd.config.model import ModemConfig
from remsimd.events import DataSpent, Event
from remsimd.failover import budget
from remsimd.failover.budget import Ledger, Limit
from remsimd.net import TrafficBytes, closing_bytes, tcp_wire_bytes

_log = logging.getLogger(__name__)

FILE = "budget.json"
LOOK_EVERY_S = 10.0
"""How often the connections under watch are read: what one costs in its last seconds is missed."""
TELL_EVERY_S = 60.0
KEEP_EVERY_S = 900.0
KEEP_SHARE = 0.001
"""Flash wears: the count is written after so long, or, looked at once a minute, after this share of
a link's limit. The second costs a thousand writes a period at most, and a kill loses no more of the
count than either allows."""


class Accounts:
    """What remsimd itself spends over each link with a data limit; links without one cost nothing here.

    `limits` by link. Works from its construction on; `run()` follows connections and keeps the
    count in `state_dir`, at the end as well.
    """

    def __init__(
        self, limits: Mapping[str, Limit], state_dir: Path, *, publish: Callable[[Event], None]
    ) -> None:
        self._limits = dict(limits)
        self._path = state_dir / FILE
        self._publish = publish
        self._ledgers = {link: Ledger() for link in limits} | _read(self._path, self._limits)
        self._kept = dict(self._ledgers)
        self._refused = False
        self._watched: list[tuple[str, socket.socket, TrafficBytes]] = []

    def charge(self, link: str | None, count: int) -> None:
        """Count bytes that went over a link, both directions together."""
        if link is not None and link in self._limits:
            self._ledgers[link] = budget.charge(self._ledgers[link], count, clock.wall(), self._limits[link])

    def watch(self, link: str | None, connection: socket.socket) -> None:
        """Charge everything this TCP connection sends and receives until it is closed."""
        if link is not None and link in self._limits:
            self._watched.append((link, connection, TrafficBytes()))

    def spent_bytes(self, link: str) -> int:
        """What the link has cost in this period; KeyError for one without a limit."""
        return budget.spent_bytes(self._ledgers[link], clock.wall(), self._limits[link])

    def pause_s(self, link: str, plain_s: float, cost_bytes: int, *, urgent: bool) -> float | None:
        """See `budget.pause_s`; the plain pause on a link without a limit."""
        limit = self._limits.get(link)
        if limit is None:
            return plain_s
        return budget.pause_s(plain_s, cost_bytes, self._ledgers[link], clock.wall(), limit, urgent=urgent)

    async def run(self) -> None:
        """Follow the watched connections, tell what was spent, and keep it, until cancelled."""
        told_s = kept_s = clock.monotonic()
        self._tell()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                self._look()
                now = clock.monotonic()
                if now - told_s < TELL_EVERY_S:
                    continue
                told_s = now
                self._tell()
                if now - kept_s >= KEEP_EVERY_S or self._much_is_unkept():
                    kept_s = now
                    self._keep()
        finally:
            self._look()
            self._keep()

    def _look(self) -> None:
        watched, self._watched = self._watched, []
        for link, connection, before in watched:
            now = None if connection.fileno() < 0 else tcp_wire_bytes(connection)
            if now is None:
                last = closing_bytes(abort=False)
                self.charge(link, last.sent + last.received)
            else:
                more = now - before
                self.charge(link, more.sent + more.received)
                self._watched.append((link, connection, now))

    def _tell(self) -> None:
        for link, limit in self._limits.items():
            ledger, now = self._ledgers[link], clock.wall()
            spent, tight = budget.spent_bytes(ledger, now, limit), budget.is_tight(ledger, now, limit)
            self._publish(DataSpent(link, spent, limit.limit_bytes, tight))

    def _much_is_unkept(self) -> bool:
        now = clock.wall()
        return any(
            budget.spent_bytes(self._ledgers[link], now, limit)
            - budget.spent_bytes(self._kept[link], now, limit)
            >= KEEP_SHARE * limit.limit_bytes
            for link, limit in self._limits.items()
        )

    def _keep(self) -> None:
        if self._ledgers == self._kept:
            return
        document = {link: dict(ledger.periods) for link, ledger in self._ledgers.items()}
        try:
            files.replace(self._path, json.dumps(document).encode())
        except OSError as error:
            level = logging.DEBUG if self._refused else logging.WARNING
            self._refused = True
            _log.log(level, "what was spent cannot be kept in %s: %s", self._path, error.strerror)
        else:
            self._kept, self._refused = dict(self._ledgers), False


def limits_of(modems: Iterable[ModemConfig]) -> dict[str, Limit]:
    """The data limits that are configured, by link."""
    return {
        modem.name: Limit(modem.data_limit_mb * 1_000_000, modem.data_reset_day)
        for modem in modems
        if modem.data_limit_mb > 0
    }


def _read(path: Path, limits: Mapping[str, Limit]) -> dict[str, Ledger]:
    """What was kept of these links; nothing from a file that does not hold it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("%s cannot be read, counting starts anew: %s", path, error)
        return {}
    found = {}
    for link in limits:
        with contextlib.suppress(AttributeError, TypeError, ValueError, KeyError):
            periods = tuple((str(name), int(count)) for name, count in document[link].items())
            if all(count >= 0 for _, count in periods):
                found[link] = Ledger(periods)
    return found
