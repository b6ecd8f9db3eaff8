"""The RSPRO client: turns the session's actions into connections, calls and events."""

import asyncio
import logging
import random as random_module
from collections import deque
from collections.abc import Callable
from typing import Protocol

from remsimd import clock
from remsimd.assignment import Assignment
from remsimd.complaints import Complaints
from remsimd.config.model import RsproConfig
from remsimd.errors import CardError
from remsimd.events import Event
from remsimd.rspro import codec, ipa
from remsimd.rspro import session_events as ev
from remsimd.rspro.auth import AuthWatch
from remsimd.rspro.connection import Connection, Opener
from remsimd.rspro.events import (
    Authenticated,
    CardAvailable,
    CardLost,
    RsproLinkChanged,
    RsproState,
    RsproStateChanged,
    SlotContactsChanged,
    TpduFailed,
    TpduRelayed,
)
from remsimd.rspro.link import Close, Open, Send, SendCcm
from remsimd.rspro.pdu import ComponentIdentity, ComponentType, RsproPdu, SlotPhysStatus
from remsimd.rspro.rules import Rules, parse_address
from remsimd.rspro.session import Session, step
from remsimd.rspro.tpdu import redact, status_word
from remsimd.rspro.turn import component_name
from remsimd.sim.frontend import SlotStatus

NAME_OCTETS = 32
SOFTWARE = "remsimd"

log = logging.getLogger(__name__)


class CardHost(Protocol):
    """Shows a card to a modem. Both calls return at once: the showing takes its own time."""

    def offer(self, atr: bytes) -> None:
        """There is a card, with this ATR, of which the modem knows nothing yet."""

    def withdraw(self, reason: str) -> None:
        """The card offered last is gone."""


class _Exchange:
    """A TPDU on its way; `done` ends with the answer or the reason there is none."""

    def __init__(self, number: int, tpdu: bytes, started_s: float) -> None:
        self.number = number
        self.tpdu = tpdu
        self.started_s = started_s
        self.done: asyncio.Future[bytes | str] = asyncio.get_running_loop().create_future()


class RsproClient:
    """Keeps one remote card reachable as the assignment says, and relays the modem's TPDUs.

    `run` does the work until cancelled and may be run again; `assign`, `transmit` and `status`
    may be called at any time. `identity_name` and `software_version` are what peers are told
    (cut to 32 ASCII characters), `modem` is the name in the events about TPDUs. The data of
    harmless commands is logged at DEBUG where `log_apdu` is set; answers never are.
    """

    def __init__(
        self,
        config: RsproConfig,
        *,
        identity_name: str,
        software_version: str,
        host: CardHost,
        opener: Opener,
        publish: Callable[[Event], None],
        modem: str = "",
        log_apdu: bool = False,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        identity = ComponentIdentity(
            ComponentType.CLIENT, _ia5(identity_name), SOFTWARE, _ia5(software_version)
        )
        self._rules = Rules(
            identity=identity, connect_mode=config.connect_mode, bankd_allow=config.bankd_allow
        )
        self._opener = opener
        self._publish = publish
        self._modem = modem
        self._log_apdu = log_apdu
        self._random = random
        self._host = host
        self._wanted: Assignment | None = None
        self._session = Session(rules=self._rules)
        self._shown: tuple[RsproState, str] | None = None
        self._group: asyncio.TaskGroup | None = None
        self._pending: deque[ev.SessionEvent] = deque()
        self._connections: dict[tuple[ComponentType, int], tuple[Connection, asyncio.Task[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._exchange: _Exchange | None = None
        self._commands = 0
        self._watch = AuthWatch()
        self._complaints = Complaints(log)
        self._contacts: SlotStatus | None = None

    @property
    def state(self) -> RsproState:
        """How far the way to the card is built."""
        return self._session.state

    async def run(self) -> None:
        """Serve the assignment until cancelled.

        Ending closes both connections, fails the TPDU in flight, tells the host that the card
        is gone and publishes the loss.
        """
        self._pending.clear()
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                self._feed(ev.Assign(self._wanted))
                # Without an assignment there is no task; the next one may come at any time.
                await asyncio.get_running_loop().create_future()
        finally:
            self._end()

    def assign(self, assignment: Assignment | None) -> None:
        """Use this card from now on, None for none; an equal assignment changes nothing."""
        self._wanted = assignment
        if self._group is not None:
            self._feed(ev.Assign(assignment))

    async def transmit(self, tpdu: bytes) -> bytes:
        """The card's answer to one TPDU; see `Card.transmit`. Callers are served in turn.

        A caller that is cancelled leaves its TPDU in flight: the card is busy with it, and
        the next one waits until it is answered or given up.
        """
        while self._exchange is not None:
            await asyncio.wait([self._exchange.done])
        if self._group is None:
            raise CardError("no remote card: the RSPRO client is not running")
        self._commands += 1
        exchange = self._exchange = _Exchange(self._commands, tpdu, clock.monotonic())
        self._feed(ev.Command(exchange.number, tpdu))
        # wait() and not await: cancelling this caller must not cancel the exchange.
        await asyncio.wait([exchange.done])
        outcome = exchange.done.result()
        if isinstance(outcome, str):
            raise CardError(outcome)
        return outcome

    def status(self, status: SlotStatus) -> None:
        """Pass a change of the slot's contacts on; see `Card.status`."""
        if status != self._contacts:
            self._contacts = status
            self._publish(SlotContactsChanged(self._modem, status))
        contacts = SlotPhysStatus(
            status.reset_active, status.vcc_present, status.clk_active, status.card_present
        )
        if self._group is not None:
            self._feed(ev.Contacts(contacts))

    def reconnect(self, reason: str) -> None:
        """Drop both connections as lost and open new ones: the way they took is not the one to take now.

        The session treats it as any loss, so the modem keeps its card for the grace time.
        """
        for key in tuple(self._connections):
            _, task = self._connections.pop(key)
            task.cancel()
            self._feed(ev.Lost(*key, reason))

    def _feed(self, event: ev.SessionEvent) -> None:
        """Step the session; an event that comes up meanwhile is taken after the present one."""
        self._pending.append(event)
        if len(self._pending) > 1:
            return
        while self._pending:
            try:
                self._take(self._pending[0])
            finally:
                self._pending.popleft()
        self._arm()

    def _take(self, event: ev.SessionEvent) -> None:
        self._session, actions = step(self._session, event, clock.monotonic(), self._random())
        for action in actions:
            self._do(action)
        self._show()

    def _do(self, action: ev.Action) -> None:
        match action:
            case Open():
                self._open(action)
            case Close():
                self._close(action)
            case Send():
                pdu = codec.encode(RsproPdu(action.message, action.tag))
                self._write(action.peer, action.number, ipa.rspro(pdu))
            case SendCcm():
                self._write(action.peer, action.number, ipa.ccm(action.kind))
            case ev.Offer():
                log.info("remote card answered, ATR %s", action.atr.hex())
                self._host.offer(action.atr)
                self._publish(CardAvailable(action.atr))
            case ev.Withdraw():
                log.info("remote card withdrawn: %s", action.reason)
                self._host.withdraw(action.reason)
                self._publish(CardLost(action.reason))
            case ev.Answer():
                self._answered(action.data)
            case ev.Fail():
                self._failed(action.reason)
            case ev.LinkReport():
                self._report(action)
            case ev.Trouble():
                self._complaints.tell(action.text)

    # Connections

    def _open(self, action: Open) -> None:
        peer, number = action.peer, action.number

        def opened(host: str | None) -> None:
            self._feed(ev.Opened(peer, number, parse_address(host)))

        def arrived(frame: ipa.Frame) -> None:
            if frame.proto is ipa.Proto.CCM:
                self._feed(ev.ArrivedCcm(peer, number, frame.body[0]))
            else:
                self._feed(ev.Arrived(peer, number, codec.decode(frame.body)))

        connection = Connection(action.endpoint, self._opener, on_opened=opened, on_frame=arrived)

        async def serve() -> None:
            reason = await connection.run()
            self._connections.pop((peer, number), None)
            self._feed(ev.Lost(peer, number, reason))

        if self._group is not None:
            name = f"rspro-{component_name(peer)}-{number}"
            self._connections[peer, number] = (connection, self._group.create_task(serve(), name=name))

    def _close(self, action: Close) -> None:
        found = self._connections.pop((action.peer, action.number), None)
        if found is not None:
            found[1].cancel()

    def _write(self, peer: ComponentType, number: int, frame: bytes) -> None:
        found = self._connections.get((peer, number))
        if found is not None:
            found[0].send(frame)

    def _report(self, report: ev.LinkReport) -> None:
        peer, endpoint = component_name(report.peer), str(report.endpoint)
        if report.up:
            self._complaints.clear()
            log.info("connected to %s %s", peer, endpoint)
        else:
            log.info("disconnected from %s %s: %s", peer, endpoint, report.detail)
        self._publish(RsproLinkChanged(peer, endpoint, report.up, report.detail))

    # TPDUs

    def _answered(self, answer: bytes) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        word = status_word(answer)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("tpdu %s -> %04X", redact(exchange.tpdu, payload=self._log_apdu), word)
        self._watch, verdict = self._watch.seen(exchange.tpdu, answer)
        exchange.done.set_result(answer)
        self._publish(TpduRelayed(self._modem, clock.monotonic() - exchange.started_s, word))
        if verdict is not None:
            self._publish(Authenticated(self._modem, verdict.ok, verdict.status_word))

    def _failed(self, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self._watch = AuthWatch()
        exchange.done.set_result(reason)
        self._publish(TpduFailed(self._modem, reason))

    # State and time

    def _show(self) -> None:
        shown = (self._session.state, self._session.detail)
        if shown != self._shown:
            self._shown = shown
            log.info("state %s%s", shown[0], f": {shown[1]}" if shown[1] else "")
            self._publish(RsproStateChanged(*shown))

    def _arm(self) -> None:
        """See that a Tick comes at the deadline.

        A timer that is early is left alone: deadlines move away with every TPDU, and a Tick
        before its time does nothing but arm the next.
        """
        deadline_s = self._session.deadline_s
        if deadline_s is None:
            return
        if self._timer is not None:
            if self._timer.when() <= deadline_s:
                return
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(deadline_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._feed(ev.Tick())

    def _end(self) -> None:
        self._feed(ev.Stop("the RSPRO client was stopped"))
        self._group = None
        self._connections.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _ia5(text: str) -> str:
    """A ComponentName of `text`: 1..32 ASCII characters."""
    return text.encode("ascii", "replace").decode("ascii")[:NAME_OCTETS] or "?"
