"""The recording: roll-ups, bounds, wrong clocks, kill -9, full and damaged storage."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remsimd.observe import recorder
from remsimd.observe.archive import Archive
from remsimd.observe.errors import HistoryError
from remsimd.observe.eventlog import Entry, Severity
from remsimd.observe.queries import Point, Search, Wanted
from remsimd.observe.readings import Aggregate, Key, of_one
from remsimd.observe.recorder import Batch, Happened, Minute
from remsimd.observe.usage import Counters, Usage, local_day

RSRP = Key("rsrp", "primary")
DAY_S = 86400.0
YEAR_S = 365 * DAY_S
NOW_S = 1_790_000_400.0
"""A whole number of five minutes."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive(tmp_path / "ram" / "history.db", tmp_path / "flash" / "history.db", days=30)
    opened.open()
    yield opened
    opened.close()


def batch(number: int, *values: float, offset_s: float = NOW_S, boot: str = "boot") -> Batch:
    """One minute of the monotonic clock with these readings, written at its end."""
    minutes = ()
    if values:
        total = of_one(values[0])
        for value in values[1:]:
            total = total.plus(value)
        minutes = (Minute(number, {RSRP: total}),)
    mono_s = (number + 1) * 60.0
    return Batch(boot, mono_s + offset_s, mono_s, minutes)


def everything(archive: Archive, step_s: int = 60) -> list[Point]:
    return list(archive.points(Wanted(0, NOW_S + 10 * YEAR_S, step_s=step_s)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(-140, -40), min_size=1, max_size=6), min_size=1, max_size=70))
def test_every_tier_says_what_was_read(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[list[int]]
) -> None:
    folder = tmp_path_factory.mktemp("tiers")
    archive = Archive(folder / "history.db", folder / "copy.db", days=30)
    archive.open()
    try:
        for number, values in enumerate(minutes):
            archive.write(batch(number, *map(float, values)))
        for step_s in (60, 300, 3600):
            spans: dict[int, list[int]] = {}
            for number, values in enumerate(minutes):
                begin = int(NOW_S + number * 60) // step_s * step_s
                spans.setdefault(begin, []).extend(values)
            found = {p.at_s: (p.low, p.high, p.average, p.last) for p in everything(archive, step_s)}
            assert found == {
                begin: (min(v), max(v), round(sum(v) / len(v), 3), v[-1]) for begin, v in spans.items()
            }
    finally:
        archive.close()


def test_the_tier_follows_from_how_far_back_is_asked() -> None:
    steps = {days: Wanted(NOW_S - days * DAY_S, NOW_S).tier for days in (1, 2, 7, 8, 30)}
    assert steps == {1: 0, 2: 1, 7: 1, 8: 2, 30: 2}


def test_each_tier_keeps_its_number_of_spans(archive: Archive) -> None:
    hours = 31 * 24
    for hour in range(hours):
        minutes = tuple(Minute(hour * 60 + n, {RSRP: of_one(-90.0)}) for n in range(60))
        mono_s = (hour + 1) * 3600.0
        archive.write(Batch("boot", mono_s + NOW_S, mono_s, minutes))
    archive.write(batch(hours * 60 + 59, -90.0))
    counts = [len(everything(archive, step_s)) for step_s in (60, 300, 3600)]
    assert counts == [1440, 2016, 720]


def test_a_clock_set_from_1970_moves_what_was_recorded_before(archive: Archive) -> None:
    for number in range(3):
        archive.write(batch(number, -90.0, offset_s=0.0))
    written = archive.write(batch(3, -80.0))
    assert written.jump_s == NOW_S
    assert [p.at_s for p in everything(archive)] == [int(NOW_S) + n * 60 for n in range(4)]


def test_a_boot_with_an_older_clock_does_not_mix_with_what_is_there(archive: Archive) -> None:
    for number in range(5):
        archive.write(batch(number, -90.0, boot="first"))
    behind_s = NOW_S - 7 * DAY_S
    for number in range(3):
        written = archive.write(batch(number, -70.0, offset_s=behind_s, boot="second"))
    assert not written.settled
    assert {p.last for p in everything(archive)} == {-90.0}
    archive.write(batch(3, -70.0, offset_s=NOW_S + 3600, boot="second"))
    assert [p.at_s for p in everything(archive) if p.last == -70.0] == [
        int(NOW_S) + 3600 + n * 60 for n in range(4)
    ]


def test_minutes_of_a_boot_whose_clock_was_never_set_are_said_to_be_lost(archive: Archive) -> None:
    archive.write(batch(0, -90.0, boot="first"))
    archive.write(batch(0, -70.0, offset_s=0.0, boot="second"))
    written = archive.write(batch(0, -60.0, offset_s=NOW_S + 600, boot="third"))
    assert written.lost_minutes == 1
    assert [p.last for p in everything(archive)] == [-90.0, -60.0]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([-YEAR_S, YEAR_S, -3600.0, 3600.0, 90_000.0, -120.0, 120.0]), max_size=5))
def test_a_clock_that_jumps_and_returns_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, jumps: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("jumps")
    archive = Archive(folder / "history.db", folder / "copy.db", days=30)
    archive.open()
    try:
        offset_s, number = NOW_S, 0
        for by_s in (0.0, *jumps, *(-by_s for by_s in jumps)):
            offset_s += by_s
            for _ in range(3):
                archive.write(batch(number, -90.0 - number, offset_s=offset_s))
                number += 1
        found = everything(archive)
        assert [(p.at_s, p.last) for p in found] == [(int(NOW_S) + n * 60, -90.0 - n) for n in range(number)]
    finally:
        archive.close()


def test_minutes_dated_after_now_go_first_when_room_is_needed(archive: Archive) -> None:
    for number in range(10):
        archive.write(batch(number, -90.0, offset_s=NOW_S + YEAR_S, boot="a year ahead"))
    archive.write(batch(0, -70.0, boot="right"))
    count = 1500
    minutes = tuple(Minute(number, {RSRP: of_one(-70.0)}) for number in range(1, count))
    archive.write(Batch("right", NOW_S + count * 60, count * 60.0, minutes))
    found = everything(archive)
    assert {p.last for p in found} == {-70.0}
    assert (len(found), found[-1].at_s) == (1440, int(NOW_S) + (count - 1) * 60)


def test_a_batch_that_fails_half_way_leaves_nothing_behind(archive: Archive) -> None:
    archive.write(batch(0, -90.0))
    with pytest.raises(OverflowError):
        archive.write(batch(1, -80.0, float("inf")))
    archive.write(batch(2, -70.0))
    assert [p.last for p in everything(archive)] == [-90.0, -70.0]


def test_events_move_with_the_clock_too(archive: Archive) -> None:
    def told(number: int, offset_s: float, text: str) -> Batch:
        entry = Entry(1, 0.0, "alert", Severity.ERROR, "primary", text)
        mono_s = number * 60.0
        return Batch("boot", mono_s + offset_s, mono_s, events=(Happened(mono_s, entry),))

    archive.write(told(1, 0.0, "before"))
    archive.write(told(2, NOW_S, "after"))
    found = archive.events(Search(since_s=NOW_S))
    assert [(e["text"], e["wall_s"]) for e in found] == [("before", NOW_S + 60), ("after", NOW_S + 120)]
    assert archive.events(Search(kind="failover")) == []
    (newest,) = archive.events(Search(severity="error", subject="primary", limit=1))
    assert newest["text"] == "after"


def test_usage_is_counted_once_and_only_by_a_clock_that_can_be_right(archive: Archive) -> None:
    def spent(number: int, offset_s: float, boot: str, **kw: int) -> bool:
        mono_s = number * 60.0
        minutes = (Minute(number, {RSRP: of_one(-90.0)}),)
        used = {"primary": Usage(kw["rx"], kw["tx"])}
        counters = {"primary": Counters(boot, kw["rx"], kw["tx"])}
        written = archive.write(Batch(boot, mono_s + offset_s, mono_s, minutes, used=used, counters=counters))
        return written.settled

    assert spent(1, NOW_S, "first", rx=100, tx=10)
    assert not spent(1, 0.0, "second", rx=7, tx=7)
    assert spent(2, NOW_S + DAY_S, "second", rx=50, tx=5)
    day = local_day(NOW_S).toordinal()
    assert archive.usage(day, day) == {"primary": Usage(100, 10)}
    assert archive.usage(day, day + 1) == {"primary": Usage(150, 15)}
    archive.close()
    assert archive.open().counters == {"primary": Counters("second", 50, 5)}


KILLED = """
import sys
from pathlib import Path
from remsimd.observe.archive import Archive
from remsimd.observe.readings import Key, of_one
from remsimd.observe.recorder import Batch, Minute
from remsimd.observe.usage import Counters, Usage
folder = Path(sys.argv[1])
archive = Archive(folder / "history.db", folder / "copy.db", 30)
opened = archive.open()
number = opened.counters["primary"].rx_bytes if opened.counters else 0
while True:
    values = {Key(f"metric{n}", "primary"): of_one(float(number % 50)) for n in range(30)}
    mono_s = (number + 1) * 60.0
    number += 1
    archive.write(Batch("boot", mono_s + 1_790_000_400, mono_s, (Minute(number - 1, values),),
        used={"primary": Usage(1, 0)}, counters={"primary": Counters("boot", number, 0)}))
    print(number, flush=True)
"""


def test_kill_9_in_the_middle_of_a_write_leaves_whole_minutes(tmp_path: Path) -> None:
    acknowledged = 0
    for round_number in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(3 + 7 * round_number):
            acknowledged = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        acknowledged = max([acknowledged, *(int(line) for line in rest if line.isdigit())])
        archive = Archive(tmp_path / "history.db", tmp_path / "copy.db", 30)
        opened = archive.open()
        counted = opened.counters["primary"].rx_bytes
        (used,) = archive.usage(0, 10**6).values()
        minutes = {p.at_s for p in everything(archive)}
        points = len(everything(archive))
        archive.close()
        assert (opened.source, opened.problems) == ("memory", ())
        assert counted - acknowledged in (0, 1), "at most the one that was not answered"
        assert used.rx_bytes == counted
        assert (len(minutes), points) == (counted, counted * 30)


def test_a_full_disk_changes_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("a small file system needs root")
    archive = Archive(tmp_path / "history.db", tmp_path / "copy.db", days=30)
    try:
        archive.open()
        archive.write(batch(0, -90.0))
        filler = tmp_path / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        wide = {Key(f"metric{n}", "primary"): of_one(1.0) for n in range(5000)}
        full = Batch("boot", NOW_S + 120, 120.0, (Minute(1, wide),))
        with pytest.raises(HistoryError, match=r"full|I/O"):
            archive.write(full)
        with pytest.raises(HistoryError, match=r"full|No space|I/O"):
            archive.save()
        assert [p.last for p in everything(archive)] == [-90.0]
        filler.unlink()
        archive.write(batch(2, -80.0))
        assert [p.last for p in everything(archive)] == [-90.0, -80.0]
    finally:
        archive.close()
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_the_copy_on_flash_comes_back_after_a_power_cut(tmp_path: Path) -> None:
    ram, flash = tmp_path / "ram" / "history.db", tmp_path / "flash" / "history.db"
    archive = Archive(ram, flash, days=30)
    assert archive.open().source == "nothing"
    archive.write(batch(0, -90.0))
    archive.save()
    archive.write(batch(1, -80.0))
    archive.close()
    assert flash.stat().st_mode & 0o777 == 0o600
    for path in ram.parent.iterdir():
        path.unlink()
    opened = archive.open()
    assert (opened.source, opened.newest_s) == ("flash", NOW_S)
    assert [p.last for p in everything(archive)] == [-90.0]
    archive.close()


@pytest.mark.parametrize("damage", [b"", b"no database at all" * 400, None])
def test_a_damaged_recording_gives_way_to_the_copy_and_is_told(tmp_path: Path, damage: bytes | None) -> None:
    ram, flash = tmp_path / "history.db", tmp_path / "flash.db"
    archive = Archive(ram, flash, days=30)
    archive.open()
    for number in range(200):
        archive.write(batch(number, -90.0))
    archive.save()
    archive.close()
    whole = ram.read_bytes()
    ram.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    opened = archive.open()
    archive.close()
    if damage == b"":
        assert opened.source == "memory", "an empty file is an empty recording"
    else:
        assert opened.source == "flash"
        assert len(opened.problems) == 1
    ram.write_bytes(b"no database" * 1000)
    flash.write_bytes(b"nor this" * 1000)
    opened = archive.open()
    assert (opened.source, len(opened.problems)) == ("nothing", 2)
    assert flash.with_name("flash.db.damaged").exists()
    archive.write(batch(0, -90.0))
    archive.close()


def test_nothing_is_known_of_a_closed_recording(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history.db", tmp_path / "copy.db", days=30)
    with pytest.raises(HistoryError, match="is not open"):
        archive.write(batch(0, -90.0))


def test_thirty_days_of_eight_modems_fit(tmp_path: Path) -> None:
    """The size that the tiers' row counts lead to, measured on a part of them."""
    archive = Archive(tmp_path / "history.db", tmp_path / "copy.db", days=30)
    archive.open()
    values = [Aggregate(-97.25 - n, -81.5 - n, -540.75 - n, 6, -90.5 - n) for n in range(50)]
    keys = [Key(f"metric{n % 14}", f"modem{n // 14}") for n in range(8 * 14)]
    for hour in range(2):
        minutes = tuple(
            Minute(hour * 60 + n, {key: values[(n + i) % 50] for i, key in enumerate(keys)})
            for n in range(60)
        )
        mono_s = (hour + 1) * 3600.0
        archive.write(Batch("boot", mono_s + NOW_S, mono_s, minutes))
    archive.close()
    database = sqlite3.connect(tmp_path / "history.db")
    (rows,) = database.execute("SELECT count(*) FROM point").fetchone()
    database.close()
    a_row = (tmp_path / "history.db").stat().st_size / rows
    spans = 1440 + 60 + 2016 + 12 + 720 + 1
    events = recorder.EVENTS_KEPT * 200
    assert spans * len(keys) * a_row + events < 20e6
