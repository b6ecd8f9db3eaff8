"""Whatever happens, and in whatever order: what must always hold."""

import random
from ipaddress import ip_address

from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.events import RsproState
from remsimd.rspro.ipa import Ccm
from remsimd.rspro.link import Close, Open, Send, SendCcm
from remsimd.rspro.pdu import ComponentType, RsproPdu
from tests.rspro.stage import (
    ASSIGNMENT,
    ATR,
    BANK,
    BANKD,
    CLIENT,
    CONFIG,
    DIRECT,
    NO_FLAGS,
    OTHER_ATR,
    OTHER_BANK,
    SELECT,
    SERVER,
    UNMAP,
    Stage,
    identity,
)

TICKS_AT_ONE_MOMENT = 6
CHOICES = 26
MESSAGES = (
    CONFIG,
    UNMAP,
    pdu.ConfigClientBankReq(OTHER_BANK, CONFIG.bankd),
    pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("198.51.100.1"), 9999)),
    pdu.ConfigClientIdReq(pdu.ClientSlot(24, 0)),
    pdu.ConfigClientIdReq(CLIENT),
    pdu.ResetStateReq(),
    pdu.SetAtrReq(CLIENT, ATR),
    pdu.SetAtrReq(CLIENT, OTHER_ATR),
    pdu.SetAtrReq(CLIENT, b"\x00"),
    pdu.SetAtrReq(pdu.ClientSlot(24, 0), ATR),
    pdu.TpduCardToModem(BANK, CLIENT, NO_FLAGS, b"\x90\x00"),
    pdu.TpduCardToModem(OTHER_BANK, CLIENT, NO_FLAGS, b"\x90\x00"),
    pdu.BankSlotStatusInd(BANK, CLIENT, pdu.SlotPhysStatus(reset_active=False, card_present=False)),
    pdu.ConnectClientRes(identity(SERVER), 0),
    pdu.ConnectClientRes(identity(BANKD), 0),
    pdu.ConnectClientRes(identity(BANKD), 100),
    pdu.ConnectClientRes(identity(SERVER), 6),
    pdu.ConnectClientRes(identity(ComponentType.CLIENT), 0),
    pdu.ErrorInd(1, 1, 1),
)


class Watched(Stage):
    """A stage that keeps the books of the outside world and compares."""

    def __init__(self) -> None:
        super().__init__()
        self.connecting: set[tuple[ComponentType, int]] = set()
        self.connected: set[tuple[ComponentType, int]] = set()
        self.asked: dict[tuple[ComponentType, int], int] = {}
        self.atrs: dict[int, set[bytes]] = {}
        self.shown: bytes | None = None
        self.open_commands: set[int] = set()
        self.commands = 0

    def feed(self, event: ev.SessionEvent) -> tuple[ev.Action, ...]:
        self._note(event)
        actions = super().feed(event)
        for action in actions:
            self._check(action)
        self._check_state()
        return actions

    def command(self) -> None:
        self.commands += 1
        self.open_commands.add(self.commands)
        self.feed(ev.Command(self.commands, SELECT))

    def _note(self, event: ev.SessionEvent) -> None:
        match event:
            case ev.Opened(peer, number, _) if (peer, number) in self.connecting:
                self.connecting.discard((peer, number))
                self.connected.add((peer, number))
            case ev.Lost(peer, number, _):
                self._end(peer, number)
            case ev.Arrived(peer, number, RsproPdu(msg=pdu.TpduCardToModem())):
                self.asked.pop((peer, number), None)
            case ev.Arrived(ComponentType.BANKD, number, RsproPdu(msg=pdu.SetAtrReq(_, atr))):
                self.atrs.setdefault(number, set()).add(atr)

    def _check(self, action: ev.Action) -> None:
        match action:
            case Open(peer, number, _):
                assert not [key for key in self.connecting | self.connected if key[0] is peer]
                self.connecting.add((peer, number))
            case Close(peer, number):
                assert (peer, number) in self.connecting | self.connected
                self._end(peer, number)
            case Send(peer, number, message, tag):
                assert (peer, number) in self.connected
                assert 0 <= tag < 2**31
                if isinstance(message, pdu.TpduModemToCard):
                    assert peer is BANKD
                    assert (peer, number) not in self.asked, "two TPDUs in flight"
                    self.asked[peer, number] = 1
            case SendCcm(peer, number, kind):
                assert (peer, number) in self.connected
                assert kind in (Ccm.PING, Ccm.PONG)
            case ev.Offer(atr):
                assert atr in self.atrs[self.number(BANKD)], "a card without an ATR"
                assert atr != self.shown
                self.shown = atr
            case ev.Withdraw():
                assert self.shown is not None
                self.shown = None
            case ev.Answer(number, _) | ev.Fail(number, _):
                self.open_commands.remove(number)

    def _check_state(self) -> None:
        session = self.session
        if session.state is not RsproState.IDLE:
            assert session.deadline_s is not None, "a wait without a timer"
        assert (session.offered is not None) == (self.shown is not None)
        assert self.open_commands == ({session.command.number} if session.command else set())
        if session.state is RsproState.OPERATIONAL:
            assert (BANKD, self.number(BANKD)) in self.connected
        if session.state is RsproState.HOLDING:
            assert session.hold_until_s is not None

    def _end(self, peer: ComponentType, number: int) -> None:
        self.connecting.discard((peer, number))
        self.connected.discard((peer, number))
        self.asked.pop((peer, number), None)

    def pass_time(self, seconds: float) -> None:
        """Time passes; at no moment may the session want to be ticked for ever."""
        end_s = self.now_s + seconds
        moment, ticks = -1.0, 0
        while (deadline_s := self.session.deadline_s) is not None and deadline_s <= end_s:
            self.now_s = max(self.now_s, deadline_s)
            ticks = ticks + 1 if self.now_s == moment else 0
            moment = self.now_s
            assert ticks < TICKS_AT_ONE_MOMENT, "time stands still"
            self.feed(ev.Tick())
        self.now_s = end_s


def act(stage: Watched, choice: int, detail: float) -> None:
    """One thing that may happen, good or bad, chosen by a number."""
    peer = SERVER if detail < 0.5 else BANKD
    number = stage.number(peer)
    match choice:
        case 0:
            stage.pass_time(detail * 45)
        case 1:
            stage.feed(ev.Assign(None if detail < 0.1 else ASSIGNMENT if detail < 0.7 else DIRECT))
        case 2 | 3:
            if (peer, number) in stage.connecting:
                stage.opened(peer)
                if detail * 10 % 1 < 0.8:
                    stage.hear(peer, pdu.ConnectClientRes(identity(peer), 0))
        case 4:
            if (peer, number) in stage.connecting | stage.connected:
                stage.lose(peer)
        case 5 | 6 | 7:
            stage.command()
        case 8:
            stage.feed(ev.Contacts(pdu.SlotPhysStatus(detail < 0.5)))
        case 9:
            kind = Ccm.PONG if detail * 10 % 1 < 0.7 else Ccm.PING
            if (peer, number) in stage.connected:
                stage.feed(ev.ArrivedCcm(peer, number, kind))
        case 10 | 11:
            if (SERVER, stage.number(SERVER)) in stage.connected:
                stage.hear(SERVER, CONFIG)
            if (BANKD, stage.number(BANKD)) in stage.connected:
                stage.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
        case 12 | 13:
            if stage.asked:
                stage.answer()
        case 14 | 15 | 16:
            stage.chance = detail
            old = number - (detail * 7 % 1 < 0.1)
            message = MESSAGES[int(detail * 997) % len(MESSAGES)]
            if (peer, old) in stage.connected:
                stage.feed(ev.Arrived(peer, old, RsproPdu(message)))
        case _:
            behave(stage)


def finish(stage: Watched) -> None:
    stage.feed(ev.Assign(None))
    assert not stage.open_commands
    assert not stage.connecting | stage.connected
    assert stage.shown is None


@given(st.lists(st.tuples(st.integers(0, CHOICES - 1), st.floats(0, 1, exclude_max=True)), max_size=80))
@settings(max_examples=300)
def test_the_rules_hold_in_every_history(history: list[tuple[int, float]]) -> None:
    stage = Watched()
    stage.feed(ev.Assign(ASSIGNMENT))
    for choice, detail in history:
        act(stage, choice, detail)
    finish(stage)


def test_the_rules_hold_over_long_histories_that_reach_every_state() -> None:
    seen: dict[RsproState, int] = {}
    answered = 0
    for seed in range(30):
        source = random.Random(seed)
        stage = Watched()
        stage.feed(ev.Assign(ASSIGNMENT))
        for _ in range(800):
            act(stage, source.randrange(CHOICES), source.random())
            seen[stage.state] = seen.get(stage.state, 0) + 1
        answered += len(stage.of(ev.Answer))
        finish(stage)
    assert set(seen) == set(RsproState)
    assert answered > 500


def test_a_peer_that_behaves_is_always_reached_again() -> None:
    """After any history, a healthy server and bankd give the card back within a minute."""
    for seed in range(60):
        source = random.Random(seed)
        stage = Watched()
        stage.feed(ev.Assign(ASSIGNMENT))
        for _ in range(60):
            act(stage, source.randrange(CHOICES), source.random())
        stage.feed(ev.Assign(ASSIGNMENT))
        for _ in range(120):
            behave(stage)
            stage.pass_time(1.0)
        assert stage.state is RsproState.OPERATIONAL, f"seed {seed}"


def behave(stage: Watched) -> None:
    for peer in (SERVER, BANKD):
        key = (peer, stage.number(peer))
        if key in stage.connecting:
            stage.opened(peer)
            stage.hear(peer, pdu.ConnectClientRes(identity(peer), 0))
            slot = stage.session.client_slot or CLIENT
            stage.hear(peer, CONFIG if peer is SERVER else pdu.SetAtrReq(slot, ATR))
        elif key in stage.connected:
            stage.feed(ev.ArrivedCcm(*key, Ccm.PONG))
            if peer is SERVER and stage.state is RsproState.UNCONFIGURED:
                stage.hear(SERVER, CONFIG)
            if peer is BANKD and stage.state in (RsproState.WAIT_ATR, RsproState.HOLDING):
                stage.hear(BANKD, pdu.SetAtrReq(stage.session.client_slot or CLIENT, ATR))
            if key in stage.asked:
                stage.answer()
