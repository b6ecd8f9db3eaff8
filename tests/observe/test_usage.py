"""Counting bytes: what a model link really carried is what the meter says, whatever happens to counters."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from remsimd.observe.usage import WRAP_BYTES, Counters, Meter, Usage, read, week_start

SMALL = st.integers(0, WRAP_BYTES // 8)
STEP = st.tuples(st.sampled_from(["carry", "replug", "reboot", "restart"]), SMALL, SMALL)


@given(st.lists(STEP, max_size=40), SMALL, st.booleans())
def test_the_meter_says_what_the_link_carried(
    steps: list[tuple[str, int, int]], before: int, narrow: bool
) -> None:
    """`narrow` is a driver with 32-bit counters."""
    rx = tx = before
    boot, carried = 0, Usage()
    meter = read(Meter(), Counters("0", rx, tx))
    for what, more_rx, more_tx in steps:
        if what in ("replug", "reboot"):
            # A counter that starts anew beside one that nearly wraps cannot be told from a wrap.
            if what == "replug" and narrow and max(rx, tx) >= WRAP_BYTES * 3 // 4:
                continue
            if what == "replug" and (more_rx >= rx or more_tx >= tx):
                continue
            boot += what == "reboot"
            rx = tx = 0
        elif what == "restart":
            meter = Meter(meter.seen, meter.unwritten)
        rx, tx = rx + more_rx, tx + more_tx
        if narrow:
            rx, tx = rx % WRAP_BYTES, tx % WRAP_BYTES
        carried += Usage(more_rx, more_tx)
        meter = read(meter, Counters(str(boot), rx, tx))
    assert meter.unwritten == carried


def test_what_a_link_carried_before_it_was_first_seen_is_not_counted() -> None:
    assert read(Meter(), Counters("a", 10**9, 10**9)).unwritten == Usage()


def test_a_wrap_is_told_from_a_restart() -> None:
    high = Counters("a", WRAP_BYTES - 1000, 5000)
    assert read(Meter(high), Counters("a", 500, 6000)).unwritten == Usage(1500, 1000)
    middle = Counters("a", WRAP_BYTES // 2, 5000)
    assert read(Meter(middle), Counters("a", 500, 600)).unwritten == Usage(500, 600)


def test_weeks_begin_on_monday() -> None:
    assert week_start(date(2026, 11, 29)) == date(2026, 11, 23)
