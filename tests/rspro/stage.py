"""A session with a clock and a memory, for tests that play its peers."""

from ipaddress import ip_address

from remsimd.assignment import Assignment, Endpoint
from remsimd.rspro import pdu
from remsimd.rspro import session_events as ev
from remsimd.rspro.events import RsproState
from remsimd.rspro.link import Open, Send
from remsimd.rspro.pdu import BankSlot, ClientSlot, ComponentIdentity, ComponentType, Message, RsproPdu
from remsimd.rspro.rules import Rules
from remsimd.rspro.session import Session, step

SERVER, BANKD = ComponentType.SERVER, ComponentType.BANKD
RULES = Rules(identity=ComponentIdentity(ComponentType.CLIENT, "router", "remsimd", "1"))
CLIENT, BANK, OTHER_BANK = ClientSlot(23, 0), BankSlot(1, 7), BankSlot(1, 8)
ASSIGNMENT = Assignment(client_id=23, client_slot=0, server=Endpoint("192.0.2.1", 9998))
DIRECT = Assignment(client_id=23, client_slot=0, bank_id=1, slot_id=7, bankd=Endpoint("192.0.2.9", 9999))
ADDRESS = {SERVER: "192.0.2.1", BANKD: "192.0.2.9"}
ATR, OTHER_ATR = b"\x3b\x9f\x96", b"\x3b\x00"
CONFIG = pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address(ADDRESS[BANKD]), 9999))
UNMAP = pdu.ConfigClientBankReq(BANK, pdu.IpPort(ip_address("0.0.0.0"), 0))
SELECT = bytes.fromhex("00a40004023f00")
NO_FLAGS = pdu.TpduFlags(False, False, False, False)


def identity(component: ComponentType) -> ComponentIdentity:
    return ComponentIdentity(component, "peer", "remsim", "1")


def rules(**changes: object) -> Rules:
    return Rules(identity=RULES.identity, **changes)  # type: ignore[arg-type]  # the tests name real fields


class Stage:
    """Feeds a session; `last` are the actions of the latest step, `log` all of them."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.session = Session(rules=rules)
        self.now_s = 1000.0
        self.chance = 0.5
        self.last: tuple[ev.Action, ...] = ()
        self.log: list[ev.Action] = []

    def feed(self, event: ev.SessionEvent) -> tuple[ev.Action, ...]:
        self.session, self.last = step(self.session, event, self.now_s, self.chance)
        self.log += self.last
        return self.last

    def number(self, peer: ComponentType) -> int:
        return (self.session.server if peer is SERVER else self.session.bankd).number

    def opened(self, peer: ComponentType) -> tuple[ev.Action, ...]:
        return self.feed(ev.Opened(peer, self.number(peer), ip_address(ADDRESS[peer])))

    def hear(self, peer: ComponentType, message: Message, tag: int = 0) -> tuple[ev.Action, ...]:
        return self.feed(ev.Arrived(peer, self.number(peer), RsproPdu(message, tag)))

    def lose(self, peer: ComponentType, reason: str = "reset") -> tuple[ev.Action, ...]:
        return self.feed(ev.Lost(peer, self.number(peer), reason))

    def wait(self, seconds: float) -> None:
        """Let time pass, with a Tick at each deadline on the way."""
        end_s = self.now_s + seconds
        while (deadline_s := self.session.deadline_s) is not None and deadline_s <= end_s:
            self.now_s = max(self.now_s, deadline_s)
            self.feed(ev.Tick())
        self.now_s = end_s

    def sent(self, peer: ComponentType) -> list[Message]:
        """What the latest step sent to a peer."""
        return [a.message for a in self.last if isinstance(a, Send) and a.peer is peer]

    def of(self, kind: type[ev.Action]) -> list[ev.Action]:
        """Every action of a kind, from the beginning."""
        return [action for action in self.log if isinstance(action, kind)]

    def opens(self, peer: ComponentType) -> int:
        return sum(isinstance(action, Open) and action.peer is peer for action in self.log)

    @property
    def state(self) -> RsproState:
        return self.session.state

    # Longer ways

    def connect(
        self, peer: ComponentType, result: int = 0, component: ComponentType | None = None
    ) -> tuple[ev.Action, ...]:
        self.opened(peer)
        return self.hear(
            peer, pdu.ConnectClientRes(identity(peer if component is None else component), result)
        )

    def to_server(self, assignment: Assignment = ASSIGNMENT) -> "Stage":
        self.feed(ev.Assign(assignment))
        self.connect(SERVER)
        return self

    def to_bankd(self) -> "Stage":
        self.to_server()
        self.hear(SERVER, CONFIG)
        self.connect(BANKD)
        return self

    def to_card(self) -> "Stage":
        self.to_bankd()
        self.hear(BANKD, pdu.SetAtrReq(CLIENT, ATR))
        assert self.state is RsproState.OPERATIONAL
        return self

    def answer(self, data: bytes = b"\x90\x00") -> tuple[ev.Action, ...]:
        return self.hear(BANKD, pdu.TpduCardToModem(BANK, CLIENT, NO_FLAGS, data))
