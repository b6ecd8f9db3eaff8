"""What people are told of recovery and budgets."""

import click

from remsimd.bus import Stamped
from remsimd.cli import show
from remsimd.config.model import Config, ModemConfig
from remsimd.control.report import plain
from remsimd.events import (
    DataSpent,
    Event,
    ModemResetRefused,
    ModemResetting,
    RecoveryAction,
    RecoveryEnded,
    RecoveryStarted,
)
from remsimd.observe.eventlog import EventLog, Severity
from remsimd.reducer import reduce
from remsimd.state import State, start

CONFIG = Config(modems=(ModemConfig(name="iot", interface="wwan1"),))
STORY: tuple[Event, ...] = (
    ModemResetting("iot", "asked for"),
    ModemResetRefused("iot", "generic does not support reset"),
    RecoveryStarted("iot", RecoveryAction.REDIAL, "3 rounds without an answer"),
    RecoveryEnded("iot", RecoveryAction.REDIAL, False, "the link is still down", 20.0),
    RecoveryStarted("iot", RecoveryAction.RADIO_CYCLE, "3 rounds without an answer"),
    DataSpent("iot", 5_000_000, 10_000_000, False),
    DataSpent("iot", 9_100_000, 10_000_000, True),
    DataSpent("iot", 9_200_000, 10_000_000, True),
)


def known() -> State:
    state = start(CONFIG, 0.0)
    for event in STORY:
        state = reduce(event, state, 1.0)
    return state


def test_the_state_knows_what_is_tried_and_what_was_spent() -> None:
    modem, link = known().modems["iot"], known().links["iot"]
    assert modem.recovering is RecoveryAction.RADIO_CYCLE
    assert modem.recovery_cause == "3 rounds without an answer"
    assert (link.spent_bytes, link.limit_bytes) == (9_200_000, 10_000_000)
    ended = reduce(RecoveryEnded("iot", RecoveryAction.RADIO_CYCLE, True, "up", 5.0), known(), 2.0)
    assert ended.modems["iot"].recovering is None
    assert reduce(RecoveryStarted("other", RecoveryAction.RESET, "x"), ended, 3.0) == ended


def test_the_timeline_has_a_line_for_each_action_and_one_for_the_budget() -> None:
    log = EventLog()
    for number, event in enumerate(STORY, 1):
        log.take(Stamped(number, 0.0, 0.0, event))
    told = [(entry.kind, entry.severity, entry.text) for entry in log.entries()]
    assert told == [
        ("recovery", Severity.INFO, "modem reset: asked for"),
        ("recovery", Severity.WARNING, "modem not reset: generic does not support reset"),
        ("recovery", Severity.WARNING, "re-dial, because 3 rounds without an answer"),
        ("recovery", Severity.WARNING, "re-dial after 20 s: the link is still down"),
        ("recovery", Severity.WARNING, "radio-cycle, because 3 rounds without an answer"),
        ("budget", Severity.WARNING, "9.1 of 10 MB spent: no more probes"),
    ]


def test_failover_status() -> None:
    report = plain(known()) | {"now_s": 100.0}
    assert click.unstyle(show.links(report)).splitlines() == [
        "LINK  DATA  HEALTH   FOR  CAUSE             RECOVERY     OWN TRAFFIC",
        "iot   -     unknown  -    not measured yet  radio-cycle  9.2 of 10 MB",
    ]
