"""The timeline: one line for each change, in words, with nothing secret in it."""

from modems.facts import Registration, RegistrationState, Sim, SimState
from remsimd import events as ev
from remsimd.bus import Stamped
from remsimd.observe.eventlog import Entry, EventLog, Severity

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
    assert told(ev.TrafficRead("primary", 1, 2), ev.TpduRelayed("primary", 0.1, 0x9000)) == []


def test_a_command_without_an_answer_says_why_once_until_the_card_is_back() -> None:
    failed = ev.TpduFailed("primary", "closed by the peer")
    lines = told(failed, failed, ev.RsproStateChanged(ev.RsproState.OPERATIONAL, ""), failed)
    assert [line.text for line in lines if line.subject == "primary"] == [
        "the card gave no answer: closed by the peer"
    ] * 2


def test_the_log_keeps_the_newest_and_filters() -> None:
    log = EventLog(capacity=3)
    told(*[ev.CommandReceived(str(number), "restart") for number in range(5)], log=log)
    assert [entry.seq for entry in log.entries()] == [3, 4, 5]
    assert [entry.seq for entry in log.entries(after_seq=4)] == [5]
    assert list(log.entries(kind="failover")) == []
