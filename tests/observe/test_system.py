"""The router's load from /proc, as far as it can be read."""

from pathlib import Path

import pytest

from remsimd.observe.system import CpuTimes, busy_share, cpu_times, memory_used_bytes

STAT = "cpu  100 0 50 800 40 0 10 0 7 0\ncpu0 100 0 50 800 40 0 10 0 7 0\n"
MEMINFO = "MemTotal:      64000 kB\nMemFree:        9000 kB\nMemAvailable:  24000 kB\n"


def test_idle_and_waiting_for_a_disk_are_not_busy(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT)
    assert cpu_times(tmp_path) == CpuTimes(busy=160, total=1000)


@pytest.mark.parametrize("text", [None, "", "cpu", "cpu a b c d e\n", "intr 1 2 3 4 5 6\n", "cpu 1 2 3\n"])
def test_what_cannot_be_read_is_not_known(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "stat").write_text(text)
    assert cpu_times(tmp_path) is None


def test_a_share_needs_time_to_have_passed() -> None:
    before = CpuTimes(100, 1000)
    assert busy_share(before, CpuTimes(150, 1200)) == 0.25
    assert busy_share(before, before) is None


def test_memory_in_use_is_what_is_not_available(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert memory_used_bytes(tmp_path) == 40_000 * 1024


@pytest.mark.parametrize("text", [None, "", "MemTotal: 64000 kB\n", "MemTotal:\n", "MemTotal: many\n"])
def test_memory_that_cannot_be_read_is_not_known(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    assert memory_used_bytes(tmp_path) is None
