"""What byte counters say: silence, flow, payload."""

from pathlib import Path

import pytest

from remsimd.failover import counters
from remsimd.failover.counters import Reading, Traffic, watch


def readings(*pairs: tuple[int, int], every_s: float = 0.25) -> tuple[Traffic, float]:
    traffic = Traffic(Reading(0, 0), 0.0)
    now = 0.0
    for rx, tx in pairs:
        now += every_s
        traffic = watch(traffic, Reading(rx, tx), now)
    return traffic, now


def test_sending_without_receiving_for_a_second_is_silence() -> None:
    pairs = [(1000, 5000 + 100 * step) for step in range(5)]
    traffic, now = readings(*pairs[:4])
    assert not traffic.silent(now)
    traffic, now = readings(*pairs)
    assert traffic.silent(now)
    assert not watch(traffic, Reading(1060, 6000), now + 0.25).silent(now + 0.25)


def test_a_long_pause_is_not_held_against_what_was_just_sent() -> None:
    traffic, now = readings((0, 100), every_s=60.0)
    assert not traffic.silent(now)
    assert traffic.restless(now)
    assert traffic.silent(now + 1.0)


def test_not_sending_is_not_silence() -> None:
    traffic, now = readings(*[(0, 0)] * 50)
    assert not traffic.silent(now)
    assert not traffic.restless(now)


def test_a_disproved_silence_is_excused_for_a_while() -> None:
    pairs = [(0, 2000 * step) for step in range(1, 7)]
    traffic, now = readings(*pairs)
    assert traffic.silent(now)
    traffic = traffic.excused(now)
    later = now
    while later < now + 29.0:
        later += 0.25
        traffic = watch(traffic, Reading(0, traffic.last.tx_bytes + 100), later)
        assert not traffic.silent(later)
    assert traffic.silent(now + 30.0)


def test_only_payload_counts_as_received() -> None:
    chatter, _ = readings((60, 0), (120, 0), (180, 0))
    assert chatter.received_s is None
    payload, now = readings((60, 0), (1560, 0))
    assert payload.received_s == now


def test_flow_keeps_the_readings_frequent_for_ten_seconds() -> None:
    traffic, now = readings((2000, 2000))
    assert traffic.restless(now + 9.9)
    assert not traffic.restless(now + 10.1)
    probes_only, now = readings((84, 84), every_s=5.0)
    assert not probes_only.restless(now)


def test_counters_that_run_backwards_start_anew() -> None:
    traffic, now = readings((9000, 9000), (10, 10))
    assert traffic == Traffic(Reading(10, 10), now)


def test_reading_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wwan0" / "statistics"
    folder.mkdir(parents=True)
    (folder / "rx_bytes").write_text("17\n")
    (folder / "tx_bytes").write_text("4\n")
    monkeypatch.setattr(counters, "SYS_CLASS_NET", tmp_path)
    assert counters.read("wwan0") == Reading(17, 4)
    assert counters.read("wwan1") is None
    (folder / "tx_bytes").write_text("")
    assert counters.read("wwan0") is None
