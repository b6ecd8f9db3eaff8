"""The read model follows the events, and never invents a value."""

from dataclasses import replace

import pytest

from modems.facts import Identity, Registration, RegistrationState, Signal, Sim, SimState
from remsimd import events as ev
from remsimd.config.model import Config, ModemConfig, Role, SimSource
from remsimd.reducer import reduce
from remsimd.rspro import events as remote
from remsimd.state import State, configure, start

CONFIG = Config(
    modems=(
        ModemConfig(name="primary", role=Role.PRIMARY, interface="wwan0"),
        ModemConfig(name="secondary", role=Role.SECONDARY, interface="wwan1"),
        ModemConfig(name="spare", enabled=False),
    )
)
HOME = Registration(state=RegistrationState.HOME)


def after(*happened: ev.Event) -> State:
    state = start(CONFIG, 1000.0)
    for number, event in enumerate(happened, start=1):
        state = reduce(event, state, 1000.0 + number)
    return state


def test_a_daemon_knows_only_its_enabled_modems_at_first() -> None:
    state = after()
    assert list(state.modems) == list(state.links) == ["primary", "secondary"]
    assert state.modems["primary"].port is None
    assert state.modems["primary"].signal is None
    assert state.links["secondary"].interface == "wwan1"


def test_a_modem_that_goes_takes_its_readings_with_it_but_not_its_identity() -> None:
    identity = Identity(manufacturer="Quectel", model="RM500Q-GL", firmware="R11", imei="861234567890123")
    state = after(
        ev.ModemFound("primary", "/dev/ttyUSB2"),
        ev.ModemIdentified("primary", "quectel", identity),
        ev.RegistrationRead("primary", HOME),
        ev.SignalRead("primary", Signal(rsrp_dbm=-93.0)),
        ev.SimRead("primary", Sim(SimState.READY, "894900", "262010")),
        ev.ModemGone("primary", "unplugged"),
    )
    modem = state.modems["primary"]
    assert (modem.port, modem.reason, modem.identity) == (None, "unplugged", identity)
    assert modem.registration is modem.signal is modem.sim is None
    again = reduce(ev.ModemFound("primary", "/dev/ttyUSB5"), state, 2000.0)
    assert (again.modems["primary"].port, again.modems["primary"].reconnects) == ("/dev/ttyUSB5", 1)


def test_failovers_are_counted_by_direction_and_the_first_choice_is_none() -> None:
    state = after(
        ev.ActiveLinkChanged(None, "primary", "first link up", 0.0),
        ev.ActiveLinkChanged("primary", "secondary", "primary is down", 0.01),
        ev.ActiveLinkChanged("secondary", "primary", "primary is back", 0.01),
        ev.ActiveLinkChanged("primary", "secondary", "primary is down", 0.01),
    )
    assert state.failovers == {("primary", "secondary"): 2, ("secondary", "primary"): 1}
    assert state.active_link == "secondary"


@pytest.mark.parametrize("ok", [True, False])
def test_only_completed_switches_and_accepted_challenges_count_as_such(ok: bool) -> None:
    state = after(
        ev.SimSwitching("primary", SimSource.REMOTE, "card"),
        ev.SimSwitched("primary", SimSource.REMOTE if ok else SimSource.LOCAL, ok, "card", 2.0),
        remote.Authenticated("primary", ok, 0x9000 if ok else 0x9862),
    )
    modem = state.modems["primary"]
    assert modem.sim_switching_to is None
    assert modem.sim_switches == int(ok)
    assert (modem.authentications_ok, modem.authentications_failed) == (int(ok), int(not ok))


def test_what_goes_over_the_bank_card_is_counted_apart() -> None:
    happened: tuple[ev.Event, ...] = (
        ev.TrafficRead("primary", 1000, 100),
        ev.SimFound("primary", SimSource.REMOTE),
        ev.TrafficRead("primary", 1500, 120),
        ev.TrafficRead("primary", 30, 10),  # the device was made anew
        ev.SimFound("primary", SimSource.LOCAL),
        ev.TrafficRead("primary", 900, 90),
    )
    state = after(*happened)
    assert (state.links["primary"].remote_rx_bytes, state.links["primary"].remote_tx_bytes) == (530, 30)


def test_events_about_modems_that_a_reload_removed_change_nothing() -> None:
    state = after(ev.RegistrationRead("primary", HOME))
    only_secondary = replace(CONFIG, modems=CONFIG.modems[1:])
    state = configure(state, only_secondary)
    assert reduce(ev.RegistrationRead("primary", HOME), state, 2000.0) == state
    assert reduce(ev.LinkHealthChanged("primary", ev.LinkHealth.UP, "late"), state, 2000.0) == state
    assert configure(state, CONFIG).modems["secondary"] == state.modems["secondary"]


def test_a_snapshot_taken_before_does_not_change() -> None:
    before = after()
    reduce(ev.ModemFound("primary", "/dev/ttyUSB2"), before, 1001.0)
    assert before == after()
