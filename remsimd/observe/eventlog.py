"""The timeline people read: which events are worth a line, how grave they are, in which words."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import singledispatchmethod

from modems.facts import Registration, SimState, mask
from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.observe import events as observed
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote


class Severity(StrEnum):
    """How grave an entry is, for filters and colours."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; `kind` is one of a fixed set, `subject` a modem, link or part."""

    seq: int
    wall_s: float
    kind: str
    severity: Severity
    subject: str
    text: str


Line = tuple[str, Severity, str, str] | None


class EventLog:
    """The newest entries, in memory; `take` is a bus listener.

    Facts that are read again and again (registration, SIM, parts) give a line only when they
    changed. `on_entry` callbacks hear each entry as it is made.
    """

    def __init__(self, capacity: int = 1000) -> None:
        self._entries: deque[Entry] = deque(maxlen=capacity)
        self._last: dict[tuple[str, str], str] = {}
        self._listeners: list[Callable[[Entry], None]] = []

    def take(self, stamped: Stamped) -> None:
        """Turn an event into an entry where it deserves one."""
        line = self._line(stamped.event)
        if line is None:
            return
        entry = Entry(stamped.seq, stamped.wall_s, *line)
        self._entries.append(entry)
        for listener in tuple(self._listeners):
            listener(entry)

    def entries(self, *, after_seq: int = 0, kind: str | None = None) -> Iterator[Entry]:
        """The entries kept, oldest first, from `after_seq` on, of one kind or all."""
        return (e for e in tuple(self._entries) if e.seq > after_seq and kind in (None, e.kind))

    def add_listener(self, listener: Callable[[Entry], None]) -> Callable[[], None]:
        """Call `listener` with every new entry; returns the function that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self, subject: str, what: str, value: str) -> bool:
        """Whether a fact differs from the last one told; a first 'nothing wrong' is not news."""
        previous = self._last.get((subject, what))
        self._last[subject, what] = value
        return previous != value

    @singledispatchmethod
    def _line(self, event: ev.Event) -> Line:
        return None

    @_line.register
    def _(self, event: ev.ModemFound) -> Line:
        return "connected", Severity.INFO, event.modem, f"modem on {event.port}"

    @_line.register
    def _(self, event: ev.ModemGone) -> Line:
        self._last.pop((event.modem, "registration"), None)
        self._last.pop((event.modem, "sim"), None)
        return "disconnected", Severity.ERROR, event.modem, f"modem gone: {event.reason}"

    @_line.register
    def _(self, event: ev.ModemIdentified) -> Line:
        if not self._changed(event.modem, "identity", str(event.identity)):
            return None
        who = f"{event.identity.manufacturer} {event.identity.model}, firmware {event.identity.firmware}"
        return "connected", Severity.INFO, event.modem, who

    @_line.register
    def _(self, event: ev.SimRead) -> Line:
        iccid = f", ICCID {mask(event.sim.iccid)}" if event.sim.iccid is not None else ""
        text = f"SIM {event.sim.state}{iccid}"
        if not self._changed(event.modem, "sim", text):
            return None
        fine = event.sim.state in (SimState.READY, SimState.BUSY)
        return "sim", Severity.INFO if fine else Severity.WARNING, event.modem, text

    @_line.register
    def _(self, event: ev.RegistrationRead) -> Line:
        text = _registration_text(event.registration)
        if not self._changed(event.modem, "registration", text):
            return None
        kind, severity = "disconnected", Severity.WARNING
        if event.registration.state.registered:
            kind, severity = "connected", Severity.INFO
        return kind, severity, event.modem, text

    @_line.register
    def _(self, event: ev.LinkHealthChanged) -> Line:
        severity = Severity.WARNING if event.health is ev.LinkHealth.DOWN else Severity.INFO
        return "link", severity, event.link, f"link {event.health}: {event.cause}"

    @_line.register
    def _(self, event: ev.ActiveLinkChanged) -> Line:
        if event.previous is None or event.active is None:
            return "failover", Severity.INFO, event.active or "-", f"data uses {event.active}: {event.cause}"
        moved = f"{event.previous} -> {event.active} in {event.took_s * 1000:.0f} ms: {event.cause}"
        return "failover", Severity.WARNING, event.active, moved

    @_line.register
    def _(self, event: ev.RecoveryStarted) -> Line:
        return "recovery", Severity.WARNING, event.modem, f"{event.action}, because {event.cause}"

    @_line.register
    def _(self, event: ev.RecoveryEnded) -> Line:
        severity = Severity.INFO if event.ok else Severity.WARNING
        return "recovery", severity, event.modem, f"{event.action} after {event.took_s:.0f} s: {event.detail}"

    @_line.register
    def _(self, event: ev.ModemResetting) -> Line:
        return "recovery", Severity.INFO, event.modem, f"modem reset: {event.cause}"

    @_line.register
    def _(self, event: ev.ModemResetRefused) -> Line:
        return "recovery", Severity.WARNING, event.modem, f"modem not reset: {event.reason}"

    @_line.register
    def _(self, event: ev.DataSpent) -> Line:
        if not self._changed(event.link, "budget", str(event.tight)) or not event.tight:
            return None
        text = f"{event.spent_bytes / 1e6:.1f} of {event.limit_bytes / 1e6:.0f} MB spent: no more probes"
        return "budget", Severity.WARNING, event.link, text

    @_line.register
    def _(self, event: ev.SimSwitching) -> Line:
        return "sim_switch", Severity.INFO, event.modem, f"moving to the {event.to} SIM: {event.cause}"

    @_line.register
    def _(self, event: ev.SimSwitched) -> Line:
        if event.ok:
            text = f"on the {event.source} SIM after {event.took_s:.1f} s: {event.cause}"
            return "sim_switch", Severity.INFO, event.modem, text
        return "sim_switch", Severity.ERROR, event.modem, f"back on the {event.source} SIM: {event.cause}"

    @_line.register
    def _(self, event: remote.TpduFailed) -> Line:
        if not self._changed(event.modem, "tpdu", event.reason):
            return None
        return "rspro", Severity.WARNING, event.modem, f"the card gave no answer: {event.reason}"

    @_line.register
    def _(self, event: remote.Authenticated) -> Line:
        if event.ok:
            return (
                "auth_success",
                Severity.INFO,
                event.modem,
                "the remote card answered the network's challenge",
            )
        text = f"the remote card refused the network's challenge ({event.status_word:04X})"
        return "auth_failure", Severity.ERROR, event.modem, text

    @_line.register
    def _(self, event: remote.RsproStateChanged) -> Line:
        holding = event.state is remote.RsproState.HOLDING
        if event.state is remote.RsproState.OPERATIONAL:
            self._last = {key: text for key, text in self._last.items() if key[1] != "tpdu"}
        severity = Severity.WARNING if holding else Severity.INFO
        detail = f": {event.detail}" if event.detail else ""
        return "rspro", severity, "rspro", f"remote SIM {event.state}{detail}"

    @_line.register
    def _(self, event: remote.RsproLinkChanged) -> Line:
        text = f"{event.peer} {event.endpoint} {'connected' if event.up else 'lost'}"
        if event.detail:
            text += f": {event.detail}"
        if not self._changed("rspro", event.peer, text):
            return None
        kind = "connected" if event.up else "disconnected"
        return kind, Severity.INFO if event.up else Severity.WARNING, "rspro", text

    @_line.register
    def _(self, event: remote.CardAvailable) -> Line:
        return "rspro", Severity.INFO, "rspro", f"card answers, ATR {event.atr.hex().upper()}"

    @_line.register
    def _(self, event: remote.CardLost) -> Line:
        return "rspro", Severity.WARNING, "rspro", f"card lost: {event.reason}"

    @_line.register
    def _(self, event: ionmesh_events.IonmeshStateChanged) -> Line:
        fine = event.state in (
            ionmesh_events.IonmeshState.REGISTERED,
            ionmesh_events.IonmeshState.OFF,
            ionmesh_events.IonmeshState.CONNECTING,
        )
        kind = "connected" if event.state is ionmesh_events.IonmeshState.REGISTERED else "ionmesh"
        text = f"IonMesh {event.state}" + (f": {event.detail}" if event.detail else "")
        return kind, Severity.INFO if fine else Severity.ERROR, "ionmesh", text

    @_line.register
    def _(self, event: ionmesh_events.Assigned) -> Line:
        card = event.assignment
        if card is None:
            return "ionmesh", Severity.WARNING, "ionmesh", f"no card assigned ({event.source})"
        place = "the server decides" if card.bank_id is None else f"bank {card.bank_id} slot {card.slot_id}"
        text = f"card assigned by {event.source}: {place}, ICCID {mask(card.iccid)}"
        return "ionmesh", Severity.INFO, "ionmesh", text

    @_line.register
    def _(self, event: ionmesh_events.CommandReceived) -> Line:
        return "command", Severity.INFO, "ionmesh", f"command {event.type} ({event.id})"

    @_line.register
    def _(self, event: ionmesh_events.CommandDone) -> Line:
        result = "done" if event.ok else "failed"
        severity = Severity.INFO if event.ok else Severity.ERROR
        return "command", severity, "ionmesh", f"command {event.type} {result}: {event.detail}"

    @_line.register
    def _(self, event: observed.HistoryChanged) -> Line:
        return "history", Severity.WARNING if event.lost else Severity.INFO, "history", event.text

    @_line.register
    def _(self, event: observed.AlertChanged) -> Line:
        severity = Severity(event.severity) if event.firing else Severity.INFO
        state = "fires" if event.firing else "is over"
        return "alert", severity, event.subject, f"{event.alert} {state}: {event.text}"

    @_line.register
    def _(self, event: ev.PartFailed) -> Line:
        if not self._changed(event.part, "part", event.reason):
            return None
        return "part", Severity.ERROR, event.part, f"failed: {event.reason}"

    @_line.register
    def _(self, event: ev.ConfigApplied) -> Line:
        parts = ", ".join(event.changed) or "nothing changed"
        return "config", Severity.INFO, "config", f"configuration applied: {parts}"

    @_line.register
    def _(self, event: ev.ConfigRejected) -> Line:
        text = "configuration refused, the running one stays: " + "; ".join(event.mistakes)
        return "config", Severity.ERROR, "config", text


def _registration_text(registration: Registration) -> str:
    if not registration.state.registered:
        return f"network: {registration.state}"
    where = registration.operator or registration.plmn or "network"
    technology = f" ({registration.technology})" if registration.technology is not None else ""
    return f"registered, {registration.state}: {where}{technology}"
