"""A month of a router with eight modems: its size, a minute's write, what a graph asks.

With a number as argument so many days instead of 30.
"""

import itertools
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _figure import figure

from remsimd.observe.archive import Archive
from remsimd.observe.queries import Wanted
from remsimd.observe.readings import Aggregate, Key
from remsimd.observe.recorder import Batch, Minute

DAYS = int(sys.argv[1]) if sys.argv[1:] else 30
HOUR_S = 3600.0
BEGIN_S = 1_790_000_400.0
KEYS = [Key(f"metric{number % 14}", f"modem{number // 14}") for number in range(8 * 14)]
VALUES = [Aggregate(-97.25 - n, -81.5 - n, -540.75 - n, 6, -90.5 - n) for n in range(50)]


def minute(number: int) -> Minute:
    """What a router with every series has to write."""
    return Minute(number, {key: random.choice(VALUES) for key in KEYS})


def milliseconds(work: Callable[[], object], times: int) -> float:
    """The average of so many times."""
    started_s = time.perf_counter()
    for _ in range(times):
        work()
    return 1000 * (time.perf_counter() - started_s) / times


with tempfile.TemporaryDirectory() as folder:
    archive = Archive(Path(folder) / "ram.db", Path(folder) / "flash.db", days=DAYS)
    archive.open()
    hours = DAYS * 24
    for hour in range(hours):
        mono_s = (hour + 1) * HOUR_S
        minutes = tuple(minute(60 * hour + number) for number in range(60))
        archive.write(Batch("boot", BEGIN_S + mono_s, mono_s, minutes))
    numbers = itertools.count(60 * hours)

    def write_a_minute() -> None:
        number = next(numbers)
        mono_s = 60.0 * (number + 1)
        archive.write(Batch("boot", BEGIN_S + mono_s, mono_s, (minute(number),)))

    write_ms = milliseconds(write_a_minute, 60)
    now_s = BEGIN_S + 60.0 * next(numbers)
    since_s = now_s - DAYS * 86400
    points = archive.points(Wanted(since_s, now_s))
    assert len(points) >= (hours - 1) * len(KEYS)
    one = milliseconds(lambda: archive.points(Wanted(since_s, now_s, metrics=("metric3",))), 20)
    whole = milliseconds(lambda: archive.points(Wanted(since_s, now_s)), 5)
    archive.save()
    archive.close()
    size_mb = (Path(folder) / "flash.db").stat().st_size / 1e6

figure(f"{DAYS} days of 8 modems", size_mb, "MB", budget=20)
figure("a minute written", write_ms, "ms", budget=50)
figure(f"{DAYS} days of one metric of 8 modems", one, "ms", budget=100)
figure(f"{DAYS} days of all 112 series at once", whole, "ms", budget=500)
