"""Lock files by which programs keep off each other's serial ports (FHS 3.0, 5.9 /var/lock).

LCK..ttyUSB2 holds the process id of its owner as ten digits and a line end. Minicom, pppd, picocom and their
like honour it. A router that has no such directory is a router on which nobody looks for it.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from modems.errors import PortBusy

log = logging.getLogger(__name__)

LOCK_DIRECTORY = Path("/var/lock")
_STARTTIME = 22 - 3
"""Its place in /proc/PID/stat (proc(5)) behind the name, which is the second and may hold anything."""
_MARGIN_S = 1.0
"""The kernel counts starts in hundredths, file systems some time stamps in whole seconds."""


def lock_path(port: str, directory: Path = LOCK_DIRECTORY) -> Path:
    """Return the lock file of the device that `port` names or links to; directories below /dev become "_"."""
    try:
        device = os.path.realpath(port)
    except OSError:  # a link that vanished while it was followed; opening it will say so
        device = port
    device = device.removeprefix("/dev/").strip("/")
    return directory / f"LCK..{device.replace('/', '_')}"


def check_unlocked(port: str, directory: Path = LOCK_DIRECTORY) -> None:
    """Raise PortBusy when another living process has locked `port`."""
    if _living_owner(port, lock_path(port, directory)) is not None:
        raise PortBusy(port)


@contextlib.contextmanager
def locked(port: str, directory: Path = LOCK_DIRECTORY) -> Iterator[None]:
    """Hold the lock of `port`, which this process has open exclusively, for the length of the block.

    Raises PortBusy when another living process holds it. A dead owner's lock is taken over, and so is one
    with our own number: having the port exclusively, we know that it is left over from an earlier life.
    A directory that is missing or not writable is no reason to leave the port alone.
    """
    path = lock_path(port, directory)
    owned = _take(port, path)
    try:
        yield
    finally:
        if owned:
            path.unlink(missing_ok=True)


def _take(port: str, path: Path) -> bool:
    """Make the lock file appear whole and only if there is none; False where none can be made."""
    draft = path.with_name(f"LCK..TMP.{os.getpid()}.{path.name.removeprefix('LCK..')}")
    try:
        draft.write_text(f"{os.getpid():10d}\n", encoding="ascii")
        draft.chmod(0o644)
        return _link(port, draft, path)
    except OSError as error:
        log.debug("%s: no lock file: %s", port, error)
        return False
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()


def _link(port: str, draft: Path, path: Path) -> bool:
    for _ in range(2):
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            if _living_owner(port, path) is not None:
                raise PortBusy(port) from None
            log.info("%s: taking over the lock file that a dead process left", port)
            path.unlink(missing_ok=True)
        else:
            return True
    raise PortBusy(port)


def _living_owner(port: str, path: Path) -> int | None:
    """Return the process that holds a lock file; None for a dead one, our own, nonsense, or no file.

    A number that the kernel has given to another process since counts as dead.
    """
    try:
        owner = int(path.read_text(encoding="ascii").split()[0])
        if owner <= 0 or owner == os.getpid():
            return None
        os.kill(owner, 0)
        if _started_s(owner) > path.stat().st_mtime + _MARGIN_S and not _has_open(owner, port):
            return None
    except (ValueError, IndexError, OverflowError, FileNotFoundError, ProcessLookupError):
        return None
    except OSError:
        # Somebody else's process, or a file we may not read: it is there.
        return -1
    return owner


def _started_s(pid: int) -> float:
    """Return when a process started, as time.time() would have said without jumps of the clock (proc(5))."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    ticks = int(after_name.split()[_STARTTIME])
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")


def _has_open(pid: int, port: str) -> bool:
    """Whether a process has the device open: it is the lock's owner although the clock was set since."""
    device = os.path.realpath(port)
    return any(os.path.realpath(file) == device for file in Path(f"/proc/{pid}/fd").iterdir())
