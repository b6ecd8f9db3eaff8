"""The state of an RSPRO session, and the moves that its rules are made of."""

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from remsimd.assignment import Assignment, Endpoint
from remsimd.rspro import link as links
from remsimd.rspro import pdu
from remsimd.rspro.events import RsproState
from remsimd.rspro.link import Link, Phase, Send
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentType, Message
from remsimd.rspro.rules import Address, Rules
from remsimd.rspro.selection import FRESH, Selection, Step
from remsimd.rspro.session_events import Action, Command, Fail, LinkReport, Offer, Trouble, Withdraw

SERVER, BANKD = ComponentType.SERVER, ComponentType.BANKD
TPDU_TIMEOUT_S = 25.0
"""An answer that is not there by then is not awaited: it could be taken for the next one."""
TAG_MAX = 2**31 - 1
RESET_ON = pdu.SlotPhysStatus(reset_active=True)
RESET_OFF = pdu.SlotPhysStatus(reset_active=False)


class Purpose(Enum):
    """Why a TPDU is on its way; answers carry no number, so there is one at most."""

    COMMAND = "command"
    """The modem waits for its answer."""
    REPEAT = "repeat"
    """It brings a fresh card to where the modem believes it to be."""
    ABANDONED = "abandoned"
    """The modem asked it and then reset its card: the answer is for nobody."""


@dataclass(frozen=True, slots=True)
class Flight:
    """A TPDU on its way to the card, given up at `due_s`."""

    purpose: Purpose
    due_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`atr` is that of the card session on the present bankd connection, `offered` what the
    modem was shown; between the two lies the hold. `command` is the modem's unanswered TPDU;
    it is on its way while `flight` says so, else it waits for the card. `selection` is the
    state the modem believes the card to be in, `repeats` what is still to be repeated of it;
    `unstarted` is set while a card was shown anew and the modem has not begun with it.
    `note` says for people why the card is not there, beside the connections' own troubles."""

    rules: Rules
    assignment: Assignment | None = None
    client_slot: ClientSlot | None = None
    server: Link = field(default_factory=lambda: Link(peer=SERVER))
    bankd: Link = field(default_factory=lambda: Link(peer=BANKD))
    server_address: Address | None = None
    bank_slot: BankSlot | None = None
    atr: bytes | None = None
    offered: bytes | None = None
    atr_due_s: float | None = None
    hold_until_s: float | None = None
    command: Command | None = None
    flight: Flight | None = None
    selection: Selection = FRESH
    repeats: tuple[Step, ...] = ()
    contacts: pdu.SlotPhysStatus | None = None
    unstarted: bool = False
    last_tag: int = 0
    note: str = "no assignment"

    @property
    def detail(self) -> str:
        """What hinders, for people; empty when nothing does."""
        return "; ".join(text for text in (self.note, self.server.trouble, self.bankd.trouble) if text)

    @property
    def state(self) -> RsproState:
        """What people are told, from where both connections and the card stand."""
        if self.server.phase is Phase.OFF and self.bankd.phase is Phase.OFF:
            return RsproState.IDLE
        if self.offered is not None:
            return RsproState.OPERATIONAL if self.atr is not None else RsproState.HOLDING
        if self.bankd.phase is Phase.UP:
            return RsproState.WAIT_ATR
        if self.server.phase is not Phase.OFF and self.bankd.phase is not Phase.OFF:
            return RsproState.WAIT_BANKD
        return RsproState.UNCONFIGURED if self.server.phase is Phase.UP else RsproState.CONNECTING

    @property
    def deadline_s(self) -> float | None:
        """When the next Tick is due at the latest; None when nothing is awaited."""
        links_s = (self.server.deadline_s, self.bankd.deadline_s)
        flight_s = None if self.flight is None else self.flight.due_s
        times = (*links_s, flight_s, self.hold_until_s, self.atr_due_s)
        return min((time for time in times if time is not None), default=None)


class Turn:
    """One step in the making: the state so far and the actions so far."""

    def __init__(self, session: Session, now_s: float, chance: float) -> None:
        self.session = session
        self.actions: list[Action] = []
        self.now_s = now_s
        self.chance = chance

    # Connections

    def lose(
        self, peer: ComponentType, reason: str, delay_s: float | None = None, *, ended: bool = False
    ) -> None:
        """Give the connection up, or take note that it has `ended`; it is tried again later."""
        link = self.link(peer)
        text = f"{component_name(peer)} {link.endpoint}: {reason}"
        after, actions = links.lost(link, text, self.now_s, self.chance, delay_s)
        self.put(peer, after)
        if not ended:
            self.actions += actions
        if link.phase is Phase.UP:
            self.report(link, False, reason)
        self.trouble(text)
        if peer is BANKD:
            self.bankd_gone(reason)

    def stop(self, peer: ComponentType) -> None:
        """The connection is no longer wanted."""
        link = self.link(peer)
        after, actions = links.stop(link)
        self.put(peer, after)
        self.actions += actions
        if link.phase is Phase.UP:
            self.report(link, False, "closed by us")

    def start(self, peer: ComponentType, endpoint: Endpoint) -> None:
        """Connect now, with a fresh record of failures."""
        link, action = links.start(self.link(peer), endpoint, self.now_s)
        self.put(peer, link)
        self.actions.append(action)

    def restart_bankd(self, endpoint: Endpoint, bank_slot: BankSlot) -> None:
        """Connect to another bankd, or under another identity; the card session ends."""
        self.stop(BANKD)
        self.bankd_gone("the server names another bankd or identity")
        self.set(bank_slot=bank_slot)
        self.start(BANKD, endpoint)

    # The card

    def unmap(self, reason: str) -> None:
        """We have no card any more: take it from the modem and leave the bankd."""
        self.withdraw(reason)
        self.stop(BANKD)
        self.set(bank_slot=None, atr=None, atr_due_s=None, flight=None, repeats=(), note=reason)

    def bankd_gone(self, reason: str) -> None:
        """The card session ended; the modem may keep its card for the grace time."""
        flight = self.session.flight
        if flight is not None and flight.purpose is Purpose.COMMAND:
            self.fail_command(reason)
        self.set(atr=None, atr_due_s=None, flight=None, repeats=(), note="")
        if self.session.offered is not None and self.session.hold_until_s is None:
            self.set(hold_until_s=self.now_s + self.session.rules.hold_s)

    def offer(self, atr: bytes) -> None:
        """Show the modem a card that it knows nothing of yet."""
        self.fail_command("another card answered")
        self.set(atr=atr, offered=atr, hold_until_s=None, repeats=(), selection=FRESH, unstarted=False)
        self.actions.append(Offer(atr))

    def renew(self, reason: str) -> None:
        """Make the modem start anew with the card that answers now: take it away and show it."""
        atr = self.session.offered
        assert atr is not None  # noqa: S101 - only a card that is shown is shown anew
        self.withdraw(reason)
        self.trouble(reason)
        self.offer(atr)
        # A modem that has not noticed the change asks on where it was; where the frontend tells
        # of resets, it gets no answer before one.
        self.set(unstarted=self.session.contacts is not None)
        # What was repeated so far must not be found there by a modem that resets nothing itself.
        self.send_contacts(RESET_ON)
        self.send_contacts(self.session.contacts or RESET_OFF)

    def transmit(self, command: Command) -> None:
        """Send the modem's command to the card."""
        self.set(command=command)
        self.send_tpdu(command.tpdu, Purpose.COMMAND)

    def send_tpdu(self, tpdu: bytes, purpose: Purpose) -> None:
        """Put a TPDU on its way; there must be none."""
        session = self.session
        assert session.client_slot is not None  # noqa: S101 - a card was offered: both are known
        assert session.bank_slot is not None  # noqa: S101
        self.set(flight=Flight(purpose, self.now_s + TPDU_TIMEOUT_S))
        self.send(BANKD, pdu.TpduModemToCard(session.client_slot, session.bank_slot, pdu.WHOLE_TPDU, tpdu))

    def tell_contacts(self) -> None:
        """Pass the slot's state on; a bankd's worker remembers that of its previous client."""
        if self.session.contacts is not None and self.session.atr is not None:
            self.send_contacts(self.session.contacts)

    def send_contacts(self, contacts: pdu.SlotPhysStatus) -> None:
        """Tell the bankd of the slot's contacts, as far as it is known who we are."""
        session = self.session
        if session.client_slot is not None and session.bank_slot is not None:
            self.send(BANKD, pdu.ClientSlotStatusInd(session.client_slot, session.bank_slot, contacts))

    def withdraw(self, reason: str) -> None:
        """Take the card from the modem, where it has one."""
        self.fail_command(reason)
        if self.session.offered is not None:
            self.actions.append(Withdraw(reason))
        self.set(offered=None, hold_until_s=None)

    def fail_command(self, reason: str) -> None:
        """Tell the modem's side that no answer comes; one that still comes is for nobody."""
        command, flight = self.session.command, self.session.flight
        if command is not None:
            self.actions.append(Fail(command.number, reason))
        if flight is not None and flight.purpose is Purpose.COMMAND:
            self.set(flight=replace(flight, purpose=Purpose.ABANDONED))
        self.set(command=None)

    # Bookkeeping

    def link(self, peer: ComponentType) -> Link:
        """The connection to a peer."""
        return self.session.server if peer is SERVER else self.session.bankd

    def put(self, peer: ComponentType, link: Link) -> None:
        """Make this the connection to a peer."""
        if peer is SERVER:
            self.set(server=link)
        else:
            self.set(bankd=link)

    def set(self, **changes: Any) -> None:
        """Change fields of the session's state."""
        self.session = replace(self.session, **changes)

    def send(self, peer: ComponentType, message: Message, tag: int | None = None) -> None:
        """Send a request under a tag of our own, or an answer under the request's."""
        if tag is None:
            tag = self.session.last_tag % TAG_MAX + 1
            self.set(last_tag=tag)
        self.actions.append(Send(peer, self.link(peer).number, message, tag))

    def report(self, link: Link, up: bool, detail: str) -> None:
        """Have it told that a connection came up or was lost."""
        assert link.endpoint is not None  # noqa: S101 - it was connected
        self.actions.append(LinkReport(link.peer, link.endpoint, up, detail))

    def trouble(self, text: str) -> None:
        """Have a text told that people should read."""
        self.actions.append(Trouble(text))


def component_name(peer: int) -> str:
    """A component for people; a number outside of the enumeration as it is."""
    return {0: "client", 1: "server", 2: "bankd"}.get(peer, f"component {peer}")
