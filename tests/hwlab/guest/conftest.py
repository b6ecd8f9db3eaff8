"""For every test: what the kernel says meanwhile is kept, and shown where the test fails."""

import contextlib
import os
from collections.abc import Generator, Iterator

import pytest

KERNEL_LOG = "/dev/kmsg"
RECORD_OCTETS = 8192
SINCE = pytest.StashKey[int]()
"""The kernel's log, opened when the test began."""
STATUS_EVERY_S = 0.2
READY_WITHIN_S = 60.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """An emulated processor is slow, and cannot tell the daemon's status 20 times a second."""
    monkeypatch.setattr("simlab.process.READY_WITHIN_S", READY_WITHIN_S)
    monkeypatch.setattr("simlab.control.POLL_S", STATUS_EVERY_S)


@pytest.fixture(autouse=True)
def _kernel_log(request: pytest.FixtureRequest) -> Iterator[None]:
    log = request.node.stash[SINCE] = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)
    os.lseek(log, 0, os.SEEK_END)
    yield
    os.close(log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what the kernel said since a test began behind what the test printed, if it failed."""
    report = yield
    if report.when == "call" and report.failed:
        said = "\n".join(_records(item.stash[SINCE]))
        report.sections.append(("Captured stdout of the kernel", f"--- kernel\n{said}\n"))
    return report


def _records(log: int) -> Iterator[str]:
    # The end of the log is told as an error.
    with contextlib.suppress(BlockingIOError):
        while record := os.read(log, RECORD_OCTETS):
            head, _, text = record.decode(errors="replace").partition(";")
            yield f"[{int(head.split(',')[2]) / 1e6:12.6f}] {text.splitlines()[0]}"
