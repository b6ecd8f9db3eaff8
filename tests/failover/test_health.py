"""One link's health: what each witness may do, and what no history may lead to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.config.model import FailoverConfig
from remsimd.events import LinkHealth
from remsimd.failover.health import (
    HOLD_LIMIT_S,
    Evidence,
    Held,
    KernelSays,
    LinkState,
    ModemSays,
    Released,
    RoundDone,
    Silence,
    Tick,
    due_s,
    initial,
    observe,
    pause_s,
)

CONFIG = FailoverConfig(down=3, up=5, interval_s=5.0, fast_interval_s=1.0)
GOOD, BAD = RoundDone(True, "answers"), RoundDone(False, "no answer")
FINE, CUT = KernelSays(None), KernelSays("carrier lost")


def after(*evidence: Evidence, state: LinkState | None = None, config: FailoverConfig = CONFIG) -> LinkState:
    state = initial() if state is None else state
    for second, piece in enumerate(evidence):
        state = observe(state, piece, float(second), config)
    return state


UP = after(FINE, GOOD)


def test_a_link_is_unknown_until_something_came_back() -> None:
    assert initial().health is LinkHealth.UNKNOWN
    assert after(FINE, ModemSays(True, "registered")).health is LinkHealth.UNKNOWN


def test_the_first_good_round_is_enough_only_once() -> None:
    assert UP.health is LinkHealth.UP
    again = after(CUT, FINE, GOOD, GOOD, GOOD, GOOD, state=UP)
    assert again.health is LinkHealth.DOWN
    assert after(GOOD, state=again).health is LinkHealth.UP


def test_a_heartbeat_says_nothing_before_the_kernel_was_heard() -> None:
    assert after(GOOD).health is LinkHealth.UNKNOWN


@pytest.mark.parametrize("objection", [CUT, ModemSays(False, "searching")])
def test_kernel_and_modem_take_a_link_down_at_once(objection: Evidence) -> None:
    state = after(objection, state=UP)
    assert state.health is LinkHealth.DOWN
    assert state.cause in {"carrier lost", "searching"}
    assert not state.verified


def test_rounds_do_not_lift_an_objection() -> None:
    state = after(ModemSays(False, "denied"), *[GOOD] * 20, state=UP)
    assert state.health is LinkHealth.DOWN
    assert after(ModemSays(True, "home"), *[GOOD] * 4, state=state).health is LinkHealth.DOWN
    assert after(ModemSays(True, "home"), *[GOOD] * 5, state=state).health is LinkHealth.UP


def test_the_data_plane_needs_consecutive_failed_rounds() -> None:
    assert after(BAD, state=UP).health is LinkHealth.SUSPECT
    assert after(BAD, BAD, GOOD, BAD, BAD, state=UP).health is LinkHealth.SUSPECT
    assert after(BAD, BAD, GOOD, state=UP).health is LinkHealth.UP
    down = after(BAD, BAD, BAD, state=UP)
    assert down.health is LinkHealth.DOWN
    assert down.objection is None


def test_coming_back_needs_consecutive_good_rounds() -> None:
    down = after(BAD, BAD, BAD, state=UP)
    assert after(*[GOOD] * 4, BAD, *[GOOD] * 4, state=down).health is LinkHealth.DOWN
    assert after(*[GOOD] * 4, BAD, *[GOOD] * 5, state=down).health is LinkHealth.UP


def test_a_silent_second_counts_once_and_never_last() -> None:
    silent = after(Silence(), Silence(), Silence(), Silence(), state=UP)
    assert silent.health is LinkHealth.SUSPECT
    assert after(BAD, state=silent).health is LinkHealth.SUSPECT
    assert after(BAD, BAD, state=silent).health is LinkHealth.DOWN
    assert after(GOOD, state=silent).health is LinkHealth.UP
    one_round = replace(CONFIG, down=1)
    assert after(Silence(), state=UP, config=one_round).health is LinkHealth.SUSPECT


def test_an_own_reset_is_neither_up_nor_down() -> None:
    held = after(Held("switching SIM"), CUT, ModemSays(False, "gone"), BAD, BAD, BAD, state=UP)
    assert held.health is LinkHealth.UNKNOWN
    assert pause_s(held, CONFIG) is None
    assert after(Released(), state=held).health is LinkHealth.DOWN
    back = after(FINE, ModemSays(True, "home"), Released(), state=held)
    assert back.health is LinkHealth.UNKNOWN
    assert after(*[GOOD] * 5, state=back).health is LinkHealth.UP


def test_an_own_reset_without_an_end_is_given_up() -> None:
    held = observe(UP, Held("reset"), 100.0, CONFIG)
    assert due_s(held) == 100.0 + HOLD_LIMIT_S
    assert observe(held, Tick(), 219.9, CONFIG).held_for is not None
    late = observe(held, Tick(), 220.0, CONFIG)
    assert late.held_for is None
    assert due_s(late) is None


def test_without_a_device_the_modem_alone_decides() -> None:
    link = initial(modem_only=True)
    assert after(ModemSays(None, "found"), state=link).health is LinkHealth.UNKNOWN
    up = after(ModemSays(True, "home"), state=link)
    assert up.health is LinkHealth.UP
    assert up.verified
    assert after(ModemSays(False, "searching"), state=up).health is LinkHealth.DOWN
    assert pause_s(up, CONFIG) is None


def test_rounds_are_fast_while_something_is_open() -> None:
    assert pause_s(initial(), CONFIG) is None
    assert pause_s(after(FINE), CONFIG) == 1.0
    assert pause_s(UP, CONFIG) == 5.0
    assert pause_s(after(BAD, state=UP), CONFIG) == 1.0
    down = after(BAD, BAD, BAD, state=UP)
    assert pause_s(down, CONFIG) == 5.0
    assert pause_s(after(GOOD, state=down), CONFIG) == 1.0
    assert pause_s(after(CUT, state=UP), CONFIG) is None


pieces = st.sampled_from(
    [GOOD, BAD, Silence(), FINE, CUT, Held("reset"), Released(), Tick()]
    + [ModemSays(known, "modem") for known in (True, False, None)]
)


@given(st.lists(st.tuples(pieces, st.floats(0.0, 60.0)), max_size=60))
def test_no_history_breaks_the_rules(history: list[tuple[Evidence, float]]) -> None:
    state, now, good, failed = initial(), 0.0, 0, 0
    for piece, pause in history:
        now += pause
        before, state = state, observe(state, piece, now, CONFIG)
        released = before.held_for is not None and state.held_for is None
        if piece in (CUT, Held("reset"), Released(), ModemSays(False, "modem")) or released:
            good = failed = 0
        if isinstance(piece, RoundDone):
            good, failed = (good + 1, 0) if piece.passed else (0, failed + 1)
        if state.held_for is not None:
            assert state.health is LinkHealth.UNKNOWN
        elif state.objection is not None:
            assert state.health is LinkHealth.DOWN
        elif state.health is LinkHealth.DOWN and before.health in {LinkHealth.UP, LinkHealth.SUSPECT}:
            assert failed >= CONFIG.down - 1
        elif state.health is LinkHealth.UP and before.health in {LinkHealth.DOWN, LinkHealth.UNKNOWN}:
            assert good >= (CONFIG.up if before.was_up else 1)
        if state.verified:
            assert state.objection is None
