"""The RSPRO client as one pure state machine: two connections, one card, one TPDU in flight.

`step` takes what happened and gives the new state and what is to be done; `deadline_s` says
when a Tick is due next. Behaviour follows the deployed osmo-remsim programs where they agree
with themselves, and is more patient than their client where that spares the modem a reset.
"""

from remsimd.assignment import Assignment, Endpoint
from remsimd.config.model import ConnectMode
from remsimd.rspro import link as links
from remsimd.rspro import pdu
from remsimd.rspro.card import CardTurn
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.link import Phase, SendCcm
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentType, ResultCode
from remsimd.rspro.rules import may_connect
from remsimd.rspro.session_events import (
    Action,
    Arrived,
    ArrivedCcm,
    Assign,
    Command,
    Contacts,
    Lost,
    Opened,
    SessionEvent,
    Stop,
    Tick,
)
from remsimd.rspro.turn import BANKD, SERVER, TPDU_TIMEOUT_S, Session, component_name

__all__ = ["Session", "step"]

ATR_TIMEOUT_S = 30.0
"""A bankd that has the card sends its ATR at once; one without waits with us, however long."""
IDENTIFIERS = range(1024)
IDENTITY_IN_USE_S = (10.0, 20.0)
"""The server keeps the connection of a vanished client until its PING fails, up to 40 s."""
WRONG_PEER_S = 60.0
"""Something else listens there; only a person can change that."""
CCM_ANSWERS: dict[int, tuple[Ccm, ...]] = {Ccm.PING: (Ccm.PONG,), Ccm.ID_GET: (Ccm.ID_RESP, Ccm.ID_ACK)}
"""ID_ACK is never answered: server and bankd answer each with another one, for ever."""


def step(
    session: Session, event: SessionEvent, now_s: float, chance: float = 0.5
) -> tuple[Session, tuple[Action, ...]]:
    """What follows from `event` at the monotonic time `now_s`.

    `chance` is a random number in 0..1 for the delays. Never raises for what a peer says.
    """
    turn = _Rules(session, now_s, chance)
    turn.take(event)
    return turn.session, tuple(turn.actions)


class _Rules(CardTurn):
    """What follows from each event."""

    def take(self, event: SessionEvent) -> None:
        match event:
            case Assign():
                self._assign(event.assignment)
            case Stop():
                self._leave(event.reason)
            case Command():
                self.command(event)
            case Contacts():
                self.contacts(event.status)
            case Tick():
                self._tick()
            case Opened() | Lost() | Arrived() | ArrivedCcm():
                link = self.link(event.peer)
                if event.number == link.number and link.alive:
                    self._heard(event)

    # Assignment

    def _assign(self, assignment: Assignment | None) -> None:
        old, mode = self.session.assignment, self.session.rules.connect_mode
        if assignment is not None and old is not None and _place(old, mode) == _place(assignment, mode):
            self.set(assignment=assignment)
            return
        self._leave("no assignment" if assignment is None else "another assignment")
        if assignment is not None:
            client_slot = ClientSlot(assignment.client_id, assignment.client_slot)
            self.set(assignment=assignment, client_slot=client_slot, note="")
            self._begin(assignment, mode)

    def _leave(self, reason: str) -> None:
        self.unmap(reason)
        self.stop(SERVER)
        self.set(assignment=None, client_slot=None, server_address=None)

    def _begin(self, assignment: Assignment, mode: ConnectMode) -> None:
        server = _server(assignment, mode)
        numbers = (assignment.client_id, assignment.client_slot, assignment.bank_id, assignment.slot_id)
        if any(number is not None and number not in IDENTIFIERS for number in numbers):
            self._stay_idle(f"the assignment has an identifier outside 0..{IDENTIFIERS[-1]}")
        elif server is not None:
            self.start(SERVER, server)
        elif mode is ConnectMode.SERVER:
            self._stay_idle("the assignment names no server to connect to")
        elif assignment.bankd is None:
            self._stay_idle("the assignment names no bankd to connect to")
        elif assignment.bank_id is None or assignment.slot_id is None:
            self._stay_idle("the assignment names no bank slot, and no server is asked for it")
        else:
            self.set(bank_slot=BankSlot(assignment.bank_id, assignment.slot_id))
            self.start(BANKD, assignment.bankd)

    def _stay_idle(self, reason: str) -> None:
        self.set(note=reason)
        self.trouble(reason)

    # Connections

    def _heard(self, event: Opened | Lost | Arrived | ArrivedCcm) -> None:
        match event:
            case Opened():
                self._opened(event)
            case Lost():
                self.lose(event.peer, event.reason, ended=True)
            case ArrivedCcm():
                self._ccm(event)
            case Arrived():
                self._arrived(event)

    def _opened(self, event: Opened) -> None:
        link = self.link(event.peer)
        if link.phase is not Phase.OPENING:
            return
        self.put(event.peer, links.opened(link, self.now_s))
        if event.peer is SERVER:
            self.set(server_address=event.address)
        identity = self.session.rules.identity
        self.send(event.peer, pdu.ConnectClientReq(identity, self.session.client_slot))

    def _ccm(self, event: ArrivedCcm) -> None:
        if event.kind == Ccm.PONG:
            self.put(event.peer, links.ponged(self.link(event.peer)))
        for kind in CCM_ANSWERS.get(event.kind, ()):
            self.actions.append(SendCcm(event.peer, event.number, kind))

    def _arrived(self, event: Arrived) -> None:
        peer, tag, message = event.peer, event.pdu.tag, event.pdu.msg
        phase = self.link(peer).phase
        match peer, phase, message:
            case _, Phase.GREETING, pdu.ConnectClientRes():
                self._connected(peer, message)
            case ComponentType.SERVER, Phase.UP, pdu.ConfigClientBankReq():
                self._config_bank(tag, message)
            case ComponentType.SERVER, Phase.UP, pdu.ConfigClientIdReq():
                self._config_id(tag, message)
            case ComponentType.SERVER, Phase.UP, pdu.ResetStateReq():
                self.send(SERVER, pdu.ResetStateRes(ResultCode.OK), tag)
                self.unmap("the server reset this client")
            case ComponentType.BANKD, Phase.UP, pdu.SetAtrReq():
                self.set_atr(tag, message)
            case ComponentType.BANKD, Phase.UP, pdu.TpduCardToModem():
                self.answer(message)
            case ComponentType.BANKD, Phase.UP, pdu.BankSlotStatusInd():
                self.card_status(message)
            case _:
                self.trouble(f"{component_name(peer)} sent {type(message).__name__} out of place; ignored")

    def _connected(self, peer: ComponentType, message: pdu.ConnectClientRes) -> None:
        link = self.link(peer)
        if message.identity.type != peer:
            self.lose(peer, f"a {component_name(message.identity.type)} answers there", WRONG_PEER_S)
            return
        # Without a card the bankd keeps the connection and sends SetAtr when one is there.
        waiting = peer is BANKD and message.result == ResultCode.CARD_NOT_PRESENT
        if message.result != ResultCode.OK and not waiting:
            low, high = IDENTITY_IN_USE_S
            in_use = message.result == ResultCode.IDENTITY_IN_USE
            delay_s = low + (high - low) * self.chance if in_use else None
            self.lose(peer, f"refused: {pdu.result_name(message.result)}", delay_s)
            return
        self.put(peer, links.accepted(link, self.now_s))
        note = "the bank has no card for us yet" if waiting else ""
        if peer is BANKD:
            self.set(note=note, atr_due_s=None if waiting else self.now_s + ATR_TIMEOUT_S)
        self.report(link, True, note)

    # What the server says

    def _config_bank(self, tag: int, message: pdu.ConfigClientBankReq) -> None:
        endpoint = Endpoint(str(message.bankd.ip), message.bankd.port)
        if endpoint.port == 0:
            self.send(SERVER, pdu.ConfigClientBankRes(ResultCode.OK), tag)
            self.unmap("the server took the card away")
            return
        session = self.session
        assert session.assignment is not None  # noqa: S101 - no server connection without one
        if not may_connect(message.bankd.ip, session.rules, session.assignment, session.server_address):
            self.send(SERVER, pdu.ConfigClientBankRes(ResultCode.ILLEGAL_BANK_ID), tag)
            self.unmap(f"bankd {endpoint} is not among the networks of bankd_allow")
            self.trouble(f"refused: {self.session.note}")
            return
        self.send(SERVER, pdu.ConfigClientBankRes(ResultCode.OK), tag)
        same_card = session.bank_slot == message.bank_slot
        if same_card and session.bankd.endpoint == endpoint:
            # A server that was restarted says the same again; the card session is healthy. Where
            # it is not, this says that the bankd is back.
            self._retry_now(BANKD)
            return
        if not same_card:
            self.withdraw("another card was assigned")
        self.restart_bankd(endpoint, message.bank_slot)

    def _retry_now(self, peer: ComponentType) -> None:
        if self.link(peer).phase is Phase.WAITING:
            link, action = links.retry(self.link(peer), self.now_s)
            self.put(peer, link)
            self.actions.append(action)

    def _config_id(self, tag: int, message: pdu.ConfigClientIdReq) -> None:
        self.send(SERVER, pdu.ConfigClientIdRes(ResultCode.OK), tag)
        endpoint, bank_slot = self.session.bankd.endpoint, self.session.bank_slot
        changed = self.session.client_slot != message.client_slot
        self.set(client_slot=message.client_slot)
        if changed and endpoint is not None and bank_slot is not None:
            self.restart_bankd(endpoint, bank_slot)

    # Time

    def _tick(self) -> None:
        for peer in (SERVER, BANKD):
            self._tick_link(peer)
        session, now_s = self.session, self.now_s
        if session.atr_due_s is not None and now_s >= session.atr_due_s:
            self.lose(BANKD, f"no ATR within {ATR_TIMEOUT_S:.0f} s")
        if session.flight is not None and now_s >= session.flight.due_s:
            self.lose(BANKD, f"no answer to a TPDU within {TPDU_TIMEOUT_S:.0f} s")
        if session.hold_until_s is not None and now_s >= session.hold_until_s:
            if self.session.repeats:
                self.lose(BANKD, "the card was not prepared in time")
            self.withdraw(f"the card did not come back within {session.rules.hold_s:.0f} s")

    def _tick_link(self, peer: ComponentType) -> None:
        link = self.link(peer)
        reason = links.overdue(link, self.now_s)
        if reason is not None:
            self.lose(peer, reason)
            return
        if link.phase is Phase.WAITING and link.due_s is not None and self.now_s >= link.due_s:
            self._retry_now(peer)
        elif link.ping_s is not None and self.now_s >= link.ping_s:
            link, action = links.ping(link, self.now_s)
            self.put(peer, link)
            self.actions.append(action)


def _server(assignment: Assignment, mode: ConnectMode) -> Endpoint | None:
    """The server to ask for the card's place, None where the assignment itself is to name it."""
    return None if mode is ConnectMode.BANKD else assignment.server


def _place(assignment: Assignment, mode: ConnectMode) -> tuple[object, ...]:
    """What decides about connections; the rest of an assignment may change under them."""
    ours = (assignment.client_id, assignment.client_slot)
    server = _server(assignment, mode)
    if server is not None:
        return (*ours, server)
    return (*ours, assignment.bankd, assignment.bank_id, assignment.slot_id)
