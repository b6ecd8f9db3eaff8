"""The timeline: one line for each change, in words, with nothing secret in it."""

import pytest

from modems.facts import Registration, RegistrationState, Sim, SimState
from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.config.model import SimSource
from remsimd.observe import events as observed
from remsimd.observe.eventlog import Entry, EventLog, Severity
from remsimd.orchestrator import events as ionmesh_events
from remsimd.rspro import events as remote

HOME = Registration(state=RegistrationState.HOME, operator="Example Mobile")
LOST = Registration(state=RegistrationState.SEARCHING)


def told(*happened: ev.Event, log: EventLog | None = None) -> list[Entry]:
    log = log or EventLog()
    for number, event in enumerate(happened, start=1):
        log.take(Stamped(number, 1000.0 + number, float(number), event))
    return list(log.entries())


def test_a_fact_read_again_is_no_news() -> None:
    lines = told(*[ev.RegistrationRead("primary", fact) for fact in (HOME, HOME, LOST, LOST, HOME)])
    assert [(line.kind, line.severity, line.text) for line in lines] == [
        ("connected", Severity.INFO, "registered, home: Example Mobile"),
        ("disconnected", Severity.WARNING, "network: searching"),
        ("connected", Severity.INFO, "registered, home: Example Mobile"),
    ]


def test_a_modem_that_comes_back_tells_its_registration_again() -> None:
    lines = told(
        ev.RegistrationRead("primary", HOME),
        ev.ModemGone("primary", "unplugged"),
        ev.RegistrationRead("primary", HOME),
    )
    assert [line.kind for line in lines] == ["connected", "disconnected", "connected"]


def test_card_numbers_are_masked() -> None:
    (line,) = told(ev.SimRead("primary", Sim(SimState.READY, "8949000000000000123", "262010000000042")))
    assert line.text == "SIM ready, ICCID 89490...123"


def test_a_failover_says_from_where_to_where_how_fast_and_why() -> None:
    (line,) = told(ev.ActiveLinkChanged("primary", "secondary", "primary lost its network", 0.0124))
    assert (line.kind, line.severity) == ("failover", Severity.WARNING)
    assert line.text == "primary -> secondary in 12 ms: primary lost its network"


def test_readings_that_are_no_events_leave_no_line() -> None:
    assert told(ev.TrafficRead("primary", 1, 2), remote.TpduRelayed("primary", 0.1, 0x9000)) == []


def test_a_command_without_an_answer_says_why_once_until_the_card_is_back() -> None:
    failed = remote.TpduFailed("primary", "closed by the peer")
    lines = told(failed, failed, remote.RsproStateChanged(remote.RsproState.OPERATIONAL, ""), failed)
    assert [line.text for line in lines if line.subject == "primary"] == [
        "the card gave no answer: closed by the peer"
    ] * 2


def test_the_log_keeps_the_newest_and_filters() -> None:
    log = EventLog(capacity=3)
    told(*[ionmesh_events.CommandReceived(str(number), "restart") for number in range(5)], log=log)
    assert [entry.seq for entry in log.entries()] == [3, 4, 5]
    assert [entry.seq for entry in log.entries(after_seq=4)] == [5]
    assert list(log.entries(kind="failover")) == []


@pytest.mark.parametrize(
    ("event", "kind", "severity", "text"),
    [
        (
            ev.SimSwitched("primary", SimSource.LOCAL, False, "no card read", 9.0),
            *("sim_switch", Severity.ERROR, "back on the local SIM: no card read"),
        ),
        (
            remote.Authenticated("primary", False, 0x9862),
            *("auth_failure", Severity.ERROR, "the remote card refused the network's challenge (9862)"),
        ),
        (
            ionmesh_events.CommandDone("c1", "restart", True, "restarting"),
            *("command", Severity.INFO, "command restart done: restarting"),
        ),
        (
            ionmesh_events.CommandDone("c1", "restart", False, "no"),
            *("command", Severity.ERROR, "command restart failed: no"),
        ),
        (
            observed.AlertChanged("plan", "iot", True, "critical", "x is 1"),
            *("alert", Severity.CRITICAL, "plan fires: x is 1"),
        ),
        (
            observed.AlertChanged("plan", "iot", False, "critical", "x is 0"),
            *("alert", Severity.INFO, "plan is over: x is 0"),
        ),
        (ev.PartFailed("metrics", "port taken", 60.0), "part", Severity.ERROR, "failed: port taken"),
        (ev.ConfigApplied(()), "config", Severity.INFO, "configuration applied: nothing changed"),
        (
            ev.ConfigRejected(("a", "b")),
            *("config", Severity.ERROR, "configuration refused, the running one stays: a; b"),
        ),
    ],
)
def test_what_a_line_says(event: ev.Event, kind: str, severity: Severity, text: str) -> None:
    (line,) = told(event)
    assert (line.kind, line.severity, line.text) == (kind, severity, text)


def test_a_failure_that_repeats_is_told_once_and_again_when_its_reason_changes() -> None:
    reasons = ("port taken", "port taken", "no address")
    assert len(told(*(ev.PartFailed("metrics", reason, 1.0) for reason in reasons))) == 2
