"""One AT port's conversation: one command in flight, its answer told apart from everything else."""

import asyncio
import heapq
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from types import TracebackType
from typing import Protocol, Self

from modems.at.answer import Answer, LineKind, is_urc
from modems.at.command import changes_echo, check_command, redact
from modems.at.framing import LineFramer
from modems.at.parse import URC_NAMES, final_result
from modems.errors import AtError, AtTimeout, PortGone

log = logging.getLogger(__name__)

# After a command was given up, the modem is asked for a bare AT. It works on one command at a time, so the
# late answer comes before the probe's; when nothing follows the last final result for this long, both are in.
RESYNC_QUIET_S = 0.25


class Priority(IntEnum):
    """Who goes first when several commands wait; equals go in the order they came."""

    APDU = 0  # a card operation with a deadline of the network's behind it
    CONTROL = 1  # something is being changed
    POLL = 2  # values for a display; dropped when stale


class BytePort(Protocol):
    """What a channel needs of a port; `modems.at.port.SerialPort` is one."""

    name: str
    on_bytes: Callable[[bytes], None] | None
    on_gone: Callable[[PortGone], None] | None

    def write(self, data: bytes) -> None:
        """Send `data`; raises PortGone."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One command that was answered: redacted, with its information lines and its final result."""

    command: str
    lines: tuple[str, ...]
    final: str


@dataclass(slots=True)
class ChannelCounters:
    """Totals since the channel was opened."""

    commands: int = 0  # written to the port
    errors: int = 0  # answered with an error
    timeouts: int = 0  # not answered in time
    stale: int = 0  # polls dropped because they waited longer than their own timeout
    urcs: int = 0  # lines the modem sent by itself
    discarded: int = 0  # lines that were neither


class Channel:
    """A conversation over `port`, from `async with` to its end or until the port is gone.

    `urc_names` are the names of unsolicited lines (such as "+CEREG"), each of which goes to `on_urc`, also
    when it arrives in the middle of an answer; both may be set later. `on_exchange` is told of every answered
    command, for a recording. Neither callback may raise.
    """

    def __init__(
        self,
        port: BytePort,
        *,
        urc_names: frozenset[str] = URC_NAMES,
        on_urc: Callable[[str], None] | None = None,
    ) -> None:
        self.port = port
        self.urc_names = urc_names
        self.on_urc = on_urc
        self.on_exchange: Callable[[Exchanged], None] | None = None
        self._framer = LineFramer()
        self._totals = ChannelCounters()
        self._gone: PortGone | None = None
        self._busy = False
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = itertools.count()
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._probe_final: asyncio.Event | None = None
        self._echoes = False
        self._out_of_step = False

    async def __aenter__(self) -> Self:
        self.port.on_bytes = self._on_bytes
        self.port.on_gone = self._on_gone
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.port.on_bytes = None
        self.port.on_gone = None
        self._on_gone(PortGone(self.port.name, "closed"))

    @property
    def counters(self) -> ChannelCounters:
        """A copy of the totals so far."""
        return replace(self._totals, discarded=self._totals.discarded + self._framer.overlong)

    async def run(
        self,
        command: str,
        *,
        timeout_s: float,
        prefix: str | None = None,
        priority: Priority = Priority.CONTROL,
    ) -> tuple[str, ...]:
        """Send `command` and return its information lines, without echo, URCs and final result.

        `timeout_s` counts from the moment the command is sent; a POLL that has to wait longer than that
        for its turn is dropped unsent. `prefix` is the name of the expected lines ("+CSQ"); give it
        wherever the answer has one: it is what tells an answer from a URC of the same moment.
        Raises AtError, AtTimeout, PortGone; ValueError for something that is not one AT line.
        """
        check_command(command)
        await self._take_turn(command, priority, timeout_s)
        try:
            if self._out_of_step:
                await self._resynchronise(command, timeout_s)
            return await self._exchange(command, timeout_s, prefix)
        finally:
            self._pass_turn()

    async def greet(self, *, timeout_s: float) -> None:
        """See whether a modem is there that answers AT; for a port that was opened just now.

        Raises AtError, AtTimeout, PortGone.
        """
        try:
            await self.run("AT", timeout_s=timeout_s)
        except AtError:
            # What it said before the tty was raw was echoed to it, and stood in front of this line.
            await self.run("AT", timeout_s=timeout_s)

    async def _take_turn(self, command: str, priority: Priority, timeout_s: float) -> None:
        if not self._busy:
            self._busy = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._arrivals), turn))
        try:
            async with asyncio.timeout(timeout_s if priority is Priority.POLL else None):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            # The turn may have been handed over in the very moment of giving up: it must go on to the next.
            if turn.done() and not turn.cancelled():
                self._pass_turn()
            if isinstance(error, asyncio.CancelledError):
                raise
            self._totals.stale += 1
            raise AtTimeout(redact(command), timeout_s) from None

    def _pass_turn(self) -> None:
        while self._waiting:
            _, _, turn = heapq.heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._busy = False

    async def _exchange(self, command: str, timeout_s: float, prefix: str | None) -> tuple[str, ...]:
        self._check_port()
        answer = Answer(command, prefix, self.urc_names, echo_expected=self._echoes)
        self._answer = answer
        self._done = asyncio.get_running_loop().create_future()
        try:
            self.port.write(command.encode("ascii") + b"\r")
            self._totals.commands += 1
            async with asyncio.timeout(timeout_s):
                await self._done
        except TimeoutError:
            self._out_of_step = True
            self._totals.timeouts += 1
            raise AtTimeout(redact(command), timeout_s) from None
        except asyncio.CancelledError:
            self._out_of_step = True
            raise
        finally:
            self._answer = self._done = None
            self._echoes = answer.echoed and not changes_echo(command)
        if answer.final is None:
            self._check_port()
            return answer.lines
        if self.on_exchange is not None:
            self.on_exchange(Exchanged(redact(command), _fit_to_keep(command, answer), answer.final_line))
        if not answer.final.ok:
            self._totals.errors += 1
            raise AtError(redact(command), answer.final.code, answer.final.text, answer.final_line)
        return answer.lines

    async def _resynchronise(self, command: str, timeout_s: float) -> None:
        """Let the late answer of a command that was given up go by, so that it is nobody's answer."""
        self._check_port()
        final = self._probe_final = asyncio.Event()
        try:
            self.port.write(b"AT\r")
            async with asyncio.timeout(timeout_s + RESYNC_QUIET_S):
                await final.wait()
                while await self._another(final):
                    pass
        except TimeoutError:
            self._totals.timeouts += 1
            raise AtTimeout(redact(command), timeout_s) from None
        finally:
            self._probe_final = None
        self._check_port()
        self._out_of_step = False

    async def _another(self, final: asyncio.Event) -> bool:
        final.clear()
        try:
            async with asyncio.timeout(RESYNC_QUIET_S):
                await final.wait()
        except TimeoutError:
            return False
        return self._gone is None

    def _on_bytes(self, data: bytes) -> None:
        for line in self._framer.feed(data):
            self._on_line(line)

    def _on_line(self, line: str) -> None:
        if self._answer is None or self._answer.final is not None:
            self._on_idle_line(line)
            return
        kind = self._answer.feed(line)
        if kind is LineKind.URC:
            self._tell(line)
        elif kind is LineKind.DISCARDED:
            self._totals.discarded += 1
        elif kind is LineKind.FINAL:
            self._finish()

    def _on_idle_line(self, line: str) -> None:
        if is_urc(line, self.urc_names):
            self._tell(line)
            return
        if self._probe_final is not None and final_result(line) is not None:
            self._probe_final.set()
        else:
            self._totals.discarded += 1

    def _tell(self, line: str) -> None:
        self._totals.urcs += 1
        if self.on_urc is not None:
            self.on_urc(line)

    def _on_gone(self, reason: PortGone) -> None:
        if self._gone is not None:
            return
        self._gone = reason
        log.debug("%s", reason)
        # Everybody is woken with nothing in hand, and then finds the port gone.
        self._finish()
        if self._probe_final is not None:
            self._probe_final.set()
        while self._waiting:
            self._pass_turn()

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    def _check_port(self) -> None:
        if self._gone is not None:
            raise PortGone(self._gone.port, self._gone.reason)


def _fit_to_keep(command: str, answer: Answer) -> tuple[str, ...]:
    """Return the lines of an answer, none when the command itself is not shown: what it asks is secret."""
    return answer.lines if redact(command) == command else ()
